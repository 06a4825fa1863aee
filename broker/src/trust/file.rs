//! The file of the cluster's secrets, read at the start and again while it changes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use kintsugi_secret::{FILE_BYTES_MAX, Keys};
use tokio::sync::watch;

/// The setting that names the file.
pub const SETTING: &str = "kintsugi.cluster.secret.file";

/// How often the file is read again. A kubelet takes up to a minute or two to bring a changed
/// Secret, so a few seconds more make no difference; the file is small.
const INTERVAL: Duration = Duration::from_secs(5);

/// The secrets in `path`, and those that it holds later. What is of no use changes nothing and is
/// warned of.
///
/// # Errors
/// When the file cannot be read, or holds no secrets.
pub fn follow(path: PathBuf) -> anyhow::Result<watch::Receiver<Keys>> {
    follow_every(INTERVAL, path)
}

fn follow_every(interval: Duration, path: PathBuf) -> anyhow::Result<watch::Receiver<Keys>> {
    let (sender, receiver) = watch::channel(read(&path)?);
    tokio::spawn(async move {
        let mut warned = None;
        while !sender.is_closed() {
            tokio::time::sleep(interval).await;
            let path = path.clone();
            let again = tokio::task::spawn_blocking(move || read(&path)).await;
            match again.map_err(anyhow::Error::from).flatten() {
                Ok(keys) => {
                    warned = None;
                    if sender.send_if_modified(|present| take_up(present, keys)) {
                        tracing::info!("the cluster's secrets have changed");
                    }
                }
                Err(cause) => warn_once(&mut warned, &cause),
            }
        }
    });
    Ok(receiver)
}

fn take_up(present: &mut Keys, read: Keys) -> bool {
    let differs = *present != read;
    if differs {
        *present = read;
    }
    differs
}

fn warn_once(warned: &mut Option<String>, cause: &anyhow::Error) {
    let cause = format!("{cause:#}");
    if warned.as_ref() != Some(&cause) {
        tracing::warn!(cause, "the cluster's secrets stay as they were");
        *warned = Some(cause);
    }
}

fn read(path: &Path) -> anyhow::Result<Keys> {
    let failed = || format!("failed to read {SETTING}={}", path.display());
    let file = std::fs::File::open(path).with_context(failed)?;
    let mut text = Vec::new();
    // One byte more than is taken shows that there is more.
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    file.take(limit)
        .read_to_end(&mut text)
        .with_context(failed)?;
    Keys::parse(&text).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let (first, second) = ("a".repeat(32), "b".repeat(32));
        assert!(follow_every(SHORT, path.clone()).is_err());
        std::fs::write(&path, &first).unwrap();
        let mut keys = follow_every(SHORT, path.clone()).unwrap();
        std::fs::write(&path, "short").unwrap();
        tokio::time::sleep(SHORT * 10).await;
        assert!(!keys.has_changed().unwrap());
        std::fs::write(&path, &second).unwrap();
        keys.changed().await.unwrap();
        assert_eq!(*keys.borrow(), Keys::parse(second.as_bytes()).unwrap());
    }
}
