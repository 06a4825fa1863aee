//! A machine: its disk, and the process that may run on it.

use kintsugi_storage::MemoryFileSystem;
use kintsugi_types::Generation;

use crate::happening::Input;
use crate::stream::StreamId;

/// Arrivals while frozen beyond this are dropped, as a full socket buffer would.
const INBOX_MAX: usize = 100_000;

/// What a machine is to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Not in use.
    Unused,
    /// Its process is the one that its id belongs to.
    InForce,
    /// Its generation was given up: a process that still runs there must end itself.
    Replaced,
    /// A second process with an id that is taken: it must end itself.
    Stray,
}

/// One machine.
pub(crate) struct Site<P> {
    pub(crate) fs: MemoryFileSystem,
    pub(crate) process: Option<P>,
    /// Which run of the process this is, from 1.
    pub(crate) life: u64,
    /// How often the machine was powered on.
    pub(crate) boots: u64,
    pub(crate) is_powered: bool,
    pub(crate) standing: Standing,
    pub(crate) generation: Generation,
    /// A fault of the disk was asked for: the process may end itself.
    pub(crate) has_disk_fault: bool,
    /// What arrived while the process is frozen.
    pub(crate) frozen: Option<Vec<Input>>,
    /// Connections of which the other ends do not know yet that the power is gone.
    pub(crate) orphans: Vec<StreamId>,
}

impl<P> Site<P> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            fs: MemoryFileSystem::new(seed),
            process: None,
            life: 0,
            boots: 1,
            is_powered: true,
            standing: Standing::Unused,
            generation: Generation(1),
            has_disk_fault: false,
            frozen: None,
            orphans: Vec::new(),
        }
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The process, if this arrival is for it and it can take it now; else the arrival is kept or
    /// dropped.
    pub(crate) fn admit(&mut self, life: u64, input: Input) -> Option<(&mut P, Input)> {
        if life != self.life && life != ANY_LIFE {
            return None;
        }
        let process = self.process.as_mut()?;
        if let Some(inbox) = &mut self.frozen {
            if inbox.len() < INBOX_MAX {
                inbox.push(input);
            }
            return None;
        }
        Some((process, input))
    }
}

/// For whatever life of a process there is.
pub(crate) const ANY_LIFE: u64 = u64::MAX;
