//! The quorum of real controllers: planned stops, members that come and go, a disk that is lost.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use support::http::request;
use support::records::create_topic;
use support::{Cluster, Node, eventually, free_ports};

/// What a controller tells of the quorum.
async fn quorum(node: &Node) -> Option<Value> {
    let (status, body) = request(node.http_port, "GET", "/v1/quorum", "").await?;
    (status == 200).then_some(body)
}

/// The place of the active controller among these.
async fn active(controllers: &[Node]) -> usize {
    eventually("an active controller", async || {
        for (place, node) in controllers.iter().enumerate() {
            if quorum(node).await.is_some_and(|q| q["active"] == true) {
                return Some(place);
            }
        }
        None
    })
    .await
}

/// Asks the active controller until it is done.
async fn change(controllers: &[Node], method: &str, path: &str, body: &Value, done: u16) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    eventually("a change of members", async || {
        let place = active(controllers).await;
        let port = controllers[place].http_port;
        let (status, answer) = request(port, method, path, &body).await?;
        // Whoever repeats a change that was made meanwhile is told so.
        let is_over = method == "DELETE" && status == 409 && answer.to_string().contains("is none");
        if status != done && !is_over {
            println!("{method} {path}: {status} {answer}");
        }
        (status == done || is_over).then_some(())
    })
    .await;
}

async fn add(controllers: &[Node], voter: &Value) {
    change(controllers, "POST", "/v1/quorum/voters", voter, 202).await;
}

async fn remove(controllers: &[Node], id: i32, directory: &Value) {
    let directory = directory.as_str().unwrap();
    let path = format!("/v1/quorum/voters/{id}/{directory}");
    change(controllers, "DELETE", &path, &Value::Null, 200).await;
}

/// Waits until these are the voters, with all their directories known, and nobody learns.
async fn await_voters(controllers: &[Node], expected: &[(i32, Option<&Value>)]) {
    eventually("the voters", async || {
        let place = active(controllers).await;
        let told = quorum(&controllers[place]).await?;
        let voters = told["voters"].as_array()?;
        let is_so = voters.len() == expected.len()
            && told["learners"].as_array()?.is_empty()
            && told["members_committed"] == true
            && voters.iter().zip(expected).all(|(voter, (id, directory))| {
                let is_it = directory.is_none_or(|directory| voter["directory"] == *directory);
                voter["id"] == *id && is_it && voter["directory"].is_string()
            });
        is_so.then_some(())
    })
    .await;
}

async fn directory_of(node: &Node) -> Value {
    eventually("a controller's directory", async || {
        Some(quorum(node).await?["directory"].clone())
    })
    .await
}

/// A change of metadata goes through the quorum, and brokers learn of it.
async fn create(cluster: &Cluster, topic: &str) {
    eventually("a topic to be created", async || {
        let connection = cluster.brokers[0].connect().await;
        // 36: an earlier try came through without its answer.
        let created = create_topic(&connection, topic, 3, 3).await;
        matches!(created, 0 | 36).then_some(())
    })
    .await;
}

/// A controller that is not among those that form the quorum.
fn joiner(id: i32, directory: &Path, cluster: &Cluster) -> (Node, String) {
    let [controller, http] = free_ports::<2>();
    let endpoint = format!("127.0.0.1:{controller}");
    let data = directory.join(format!("data-{id}"));
    let node = Node::new(id, directory, 0, http)
        .with("process.roles", "controller")
        .with("node.id", id)
        .with("kintsugi.controller.listener", &endpoint)
        .with("kintsugi.controller.advertised", &endpoint)
        .with("kintsugi.http.listener", format!("127.0.0.1:{http}"))
        .with("log.dirs", data.display())
        .with("controller.quorum.voters", &cluster.voters);
    (node, endpoint)
}

#[tokio::test]
async fn a_controller_that_stops_has_handed_leadership_over_before_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 0);
    await_voters(
        &cluster.controllers,
        &[(1000, None), (1001, None), (1002, None)],
    )
    .await;
    for _ in 0..2 {
        let place = active(&cluster.controllers).await;
        let mut stopped = cluster.controllers.remove(place);
        let before = quorum(&stopped).await.unwrap()["term"].as_u64();
        let begun = Instant::now();
        let status = tokio::task::spawn_blocking(move || (stopped.stop(), stopped));
        let (status, mut stopped) = status.await.unwrap();
        println!("stopped in {} ms", begun.elapsed().as_millis());
        assert_eq!(status, Some(0));
        // At once, without another election: the term is the one that it was handed over in.
        let mut leaders = Vec::new();
        for node in &cluster.controllers {
            // The one that stopped before may not be back yet.
            let told = quorum(node).await.unwrap_or_default();
            if told["role"] == "leader" {
                leaders.push(told["term"].as_u64());
            }
        }
        assert_eq!(leaders, [before.map(|term| term + 1)]);
        stopped.start();
        cluster.controllers.push(stopped);
    }
}

#[tokio::test]
async fn a_voter_with_a_lost_disk_is_removed_and_added_anew_and_brokers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    create(&cluster, "before").await;
    let voters = [(1000, None), (1001, None), (1002, None)];
    await_voters(&cluster.controllers, &voters).await;
    let lost_at = (active(&cluster.controllers).await + 1) % 3;
    let lost = &mut cluster.controllers[lost_at];
    let (id, old) = (lost.id, directory_of(lost).await);
    lost.kill();
    let data = directory.path().join(format!("data-{id}"));
    std::fs::remove_dir_all(&data).unwrap();
    // Even under its old generation, an empty disk gives no vote: the quorum recorded another.
    lost.start();
    let new = directory_of(&cluster.controllers[lost_at]).await;
    assert_ne!(old, new);
    create(&cluster, "with-one-less").await;
    remove(&cluster.controllers, id, &old).await;
    create(&cluster, "with-two").await;
    add(&cluster.controllers, &json!({"id": id, "directory": new})).await;
    let mut again = voters;
    again[lost_at].1 = Some(&new);
    await_voters(&cluster.controllers, &again).await;
    // Now it counts: without one of the others nothing could be committed but with it.
    let other = active(&cluster.controllers).await;
    cluster.controllers[other].kill();
    let mut rest = std::mem::take(&mut cluster.controllers);
    let dead = rest.remove(other);
    cluster.controllers = rest;
    active(&cluster.controllers).await;
    create(&cluster, "with-the-new-one").await;
    drop(dead);
}

#[tokio::test]
async fn a_quorum_grows_from_three_to_five_and_shrinks_again_while_brokers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    create(&cluster, "before").await;
    for id in [1003, 1004] {
        let (mut node, endpoint) = joiner(id, directory.path(), &cluster);
        node.start();
        let new = directory_of(&node).await;
        add(
            &cluster.controllers,
            &json!({"id": id, "directory": new, "endpoint": endpoint}),
        )
        .await;
        cluster.controllers.push(node);
    }
    let five = [1000, 1001, 1002, 1003, 1004].map(|id| (id, None));
    await_voters(&cluster.controllers, &five).await;
    create(&cluster, "with-five").await;
    // Five bear the loss of two.
    for place in [0, 1] {
        cluster.controllers[place].kill();
    }
    let rest = cluster.controllers.split_off(2);
    active(&rest).await;
    create(&cluster, "with-three-of-five").await;
    for node in &mut cluster.controllers {
        node.start();
    }
    cluster.controllers.extend(rest);
    // The active one goes first: it leaves once its removal is committed.
    let first = active(&cluster.controllers).await;
    let first = cluster.controllers.remove(first);
    let directory = directory_of(&first).await;
    cluster.controllers.push(first);
    let first = cluster.controllers.last().unwrap().id;
    remove(&cluster.controllers, first, &directory).await;
    cluster.controllers.retain(|node| node.id != first);
    let place = cluster.controllers.len() - 1;
    let (second, directory) = {
        let node = &cluster.controllers[place];
        (node.id, directory_of(node).await)
    };
    remove(&cluster.controllers, second, &directory).await;
    cluster.controllers.retain(|node| node.id != second);
    let mut left: Vec<_> = cluster
        .controllers
        .iter()
        .map(|node| (node.id, None))
        .collect();
    left.sort_by_key(|voter| voter.0);
    assert_eq!(left.len(), 3);
    await_voters(&cluster.controllers, &left).await;
    create(&cluster, "with-three-others").await;
}
