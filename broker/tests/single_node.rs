//! One process of both roles, as `--dev` starts it, under foreign and own clients.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::records::{consume, create_topic, produce};
use support::{eventually, partition, single};

fn kcat(port: u16, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kcat")
        .args(["-b", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcat is installed");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn kcat_produces_and_consumes_with_every_codec_and_a_restart_keeps_it_all() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    drop(node.connect().await);
    let port = node.client_port;
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let lines = format!("{codec}-1\n{codec}-2\n");
        kcat(
            port,
            &["-P", "-t", "codecs", "-z", codec, "-X", "acks=all"],
            &lines,
        );
    }
    let consume = &["-C", "-t", "codecs", "-o", "beginning", "-e", "-q"];
    let before = kcat(port, consume, "");
    assert_eq!(before.lines().count(), 8, "{before}");
    assert_eq!(node.stop(), Some(0));
    node.start();
    drop(node.connect().await);
    assert_eq!(kcat(port, consume, ""), before);
}

#[tokio::test]
async fn a_group_of_kcat_goes_on_where_it_committed() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    drop(node.connect().await);
    let port = node.client_port;
    kcat(port, &["-P", "-t", "t"], "one\ntwo\n");
    let group = &[
        "-G",
        "g",
        "-X",
        "auto.offset.reset=earliest",
        "-e",
        "-q",
        "t",
    ];
    assert_eq!(kcat(port, group, ""), "one\ntwo\n");
    kcat(port, &["-P", "-t", "t"], "three\n");
    node.kill();
    node.start();
    drop(node.connect().await);
    assert_eq!(kcat(port, group, ""), "three\n");
}

#[tokio::test]
async fn after_a_kill_nothing_acknowledged_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 2, 1).await, 0);
    assert_eq!(create_topic(&connection, "t", 2, 1).await, 36);
    for number in 0..20 {
        let value = format!("value {number}");
        assert_eq!(produce(&connection, "t", 1, &value).await, Some(Ok(number)));
    }
    node.kill();
    node.start();
    let connection = node.connect().await;
    eventually("a leader", async || {
        let found = partition(&connection, "t", 1).await?;
        (found.error_code == 0).then_some(())
    })
    .await;
    let values = eventually("the records", async || {
        let values = consume(&connection, "t", 1).await;
        (values.len() == 20).then_some(values)
    })
    .await;
    assert_eq!(values[19], "value 19");
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = single(directory.path());
    first.start();
    let deadline = Instant::now() + support::PATIENCE;
    while !first.log().contains("started") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut second = single(directory.path());
    second.start();
    assert_eq!(await_end(&mut second), Some(74), "{}", second.log());
    assert!(second.log().contains("another process uses this directory"));
}

#[test]
fn a_directory_of_another_cluster_is_refused_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let deadline = Instant::now() + support::PATIENCE;
    while !node.log().contains("started") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(node.stop(), Some(0));
    let mut node = single(directory.path()).with("cluster.id", "another");
    node.start();
    assert_eq!(await_end(&mut node), Some(70), "{}", node.log());
    assert!(
        node.log().contains("cluster.id=kintsugi-dev"),
        "{}",
        node.log()
    );
}

fn await_end(node: &mut support::Node) -> Option<i32> {
    let deadline = Instant::now() + support::PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = node.has_ended() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}
