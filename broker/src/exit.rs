//! How the process ends.

use std::process::ExitCode;
use std::time::Duration;

use kintsugi_node::controller::{ControllerError, StoreError};
use kintsugi_node::directory::DirectoryError;
use kintsugi_node::shard::ShardError;
use kintsugi_storage::FsError;

use tokio::sync::watch;

/// Why the process ends; its exit status says the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It was asked to stop and handed over: 0.
    Clean,
    /// It was asked to stop, and the time to hand over ran out: 1.
    Late,
    /// It may not take part in this cluster, now or ever: 70. Starting again cannot help.
    Refused,
    /// Its storage failed: 74.
    Storage,
}

impl Ending {
    /// The exit status (`sysexits.h` has 70 and 74).
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Late => 1,
            Self::Refused => 70,
            Self::Storage => 74,
        }
    }
}

impl Ending {
    /// What a start that failed ends with; `None`: the settings or the machine are to be put
    /// right, and a later start may succeed.
    pub fn of_failed_start(cause: &anyhow::Error) -> Option<Self> {
        let refused = cause.chain().any(|cause| {
            matches!(
                cause.downcast_ref::<DirectoryError>(),
                Some(DirectoryError::Foreign { .. })
            ) || matches!(
                cause.downcast_ref::<StoreError>(),
                Some(StoreError::OtherOwner { .. })
            ) || matches!(
                cause.downcast_ref::<ControllerError>(),
                Some(ControllerError::OtherCluster { .. })
            )
        });
        let has_storage_failed = cause.chain().any(|cause| {
            cause.is::<FsError>() || cause.is::<StoreError>() || cause.is::<ShardError>()
        });
        match (refused, has_storage_failed) {
            (true, _) => Some(Self::Refused),
            (_, true) => Some(Self::Storage),
            _ => None,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

/// How long log lines may take to be written once the process is lost.
const FATAL_GRACE: Duration = Duration::from_millis(50);

/// A handle by which any thread ends the process.
#[derive(Clone, Debug)]
pub struct Exit {
    ending: watch::Sender<Option<Ending>>,
}

impl Exit {
    /// A handle, with nothing decided.
    pub fn new() -> Self {
        Self {
            ending: watch::channel(None).0,
        }
    }

    /// Ends the process in order; the first ending stands.
    pub fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|decided| {
            let is_first = decided.is_none();
            decided.get_or_insert(ending);
            is_first
        });
    }

    /// Ends the process at once: what it would do next could break a promise.
    pub fn fatal(&self, ending: Ending, reason: &str) -> ! {
        tracing::error!(reason, code = ending.code(), "the process cannot go on");
        std::thread::sleep(FATAL_GRACE);
        std::process::exit(i32::from(ending.code()));
    }

    /// Waits until an ending is decided.
    pub async fn decided(&self) -> Ending {
        let mut receiver = self.ending.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(ending) => (*ending).unwrap_or(Ending::Clean),
            Err(_) => Ending::Clean,
        }
    }
}
