//! `kintsugi-node-helper kill|freeze|revive CONTAINER-ID`: signals the main process of a container
//! of the node on which it runs. Needs the node's process namespace (`hostPID`) and CAP_KILL. Exits
//! with 3 where the container has no process any more.
//!
//! Guarantees: the process that is signalled was in the container's control group after it was
//! opened, so an id that was used anew meanwhile is never hit.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The exit code where the container has no process any more.
const ENDED: i32 = 3;
/// Digits of the shortest id that names one container only.
const ID_DIGITS_MIN: usize = 12;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, container] = arguments.as_slice() else {
        bail!("usage: kintsugi-node-helper kill|freeze|revive CONTAINER-ID");
    };
    let signal = match verb.as_str() {
        "kill" => Signal::KILL,
        "freeze" => Signal::STOP,
        "revive" => Signal::CONT,
        _ => bail!("there is no signal {verb}: say kill, freeze or revive"),
    };
    let is_id = container.len() >= ID_DIGITS_MIN
        && container.bytes().all(|digit| digit.is_ascii_hexdigit());
    ensure!(is_id, "{container} is no container's id");
    let Some(process) = main_process(&parents(container)?) else {
        println!("no process of this node is in container {container}");
        std::process::exit(ENDED);
    };
    let pid = Pid::from_raw(process).context("a process id is positive")?;
    let handle = pidfd_open(pid, PidfdFlags::empty())
        .with_context(|| format!("failed to open process {process}"))?;
    ensure!(is_in(process, container), "process {process} has ended");
    pidfd_send_signal(&handle, signal)
        .with_context(|| format!("failed to signal process {process}"))?;
    let sent = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    println!("{{\"pid\": {process}, \"sent_unix_ms\": {sent}}}");
    Ok(())
}

/// The processes of a container, each with its parent.
fn parents(container: &str) -> anyhow::Result<BTreeMap<i32, i32>> {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir("/proc").context("failed to list processes")?;
    for entry in entries.flatten() {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(id) = id.filter(|id| is_in(*id, container)) else {
            continue;
        };
        // A process that ends meanwhile has no parent any more, and is not looked for.
        if let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat"))
            && let Some(parent) = parent(&stat)
        {
            found.insert(id, parent);
        }
    }
    Ok(found)
}

fn is_in(process: i32, container: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/cgroup"))
        .is_ok_and(|groups| groups.lines().any(|group| group.contains(container)))
}

/// The parent in a line of `/proc/PID/stat`: the second field after the name in parentheses.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// The process that no other of the same container has started.
fn main_process(parents: &BTreeMap<i32, i32>) -> Option<i32> {
    let mut first = parents
        .iter()
        .filter(|(_, parent)| !parents.contains_key(parent));
    first.next().map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_process_is_the_one_that_comes_from_outside() {
        let parents = BTreeMap::from([(40, 7), (12, 40), (90, 40), (91, 90)]);
        assert_eq!(main_process(&parents), Some(40));
        assert_eq!(main_process(&BTreeMap::new()), None);
    }

    #[test]
    fn a_name_with_parentheses_hides_no_parent() {
        assert_eq!(parent("40 (a) b) S 7 40 40 0"), Some(7));
        assert_eq!(parent("40"), None);
    }
}
