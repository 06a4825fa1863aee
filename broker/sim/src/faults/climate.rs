//! Which faults a run has, and how often each: drawn from its seed.
//!
//! A run that has every fault at an even rate seldom lasts long in any one trouble. So some kinds
//! are left out of a run and others come more often ("swarm testing", Groce et al. 2012).

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    KillBroker,
    KillController,
    PowerOfBroker,
    PowerOfController,
    PowerOfSeveral,
    Freeze,
    Cut,
    Stop,
    Roll,
    Reset,
    /// A process dies in the midst of a change of its files.
    TornWrite,
    /// A write or sync fails.
    DiskError,
    /// A disk changes a bit of a batch.
    FlippedBit,
    /// A broker's disk is gone; the operator grants a generation and starts it on a new one.
    DiskLoss,
    /// A broker is cut off and replaced while it runs on.
    Takeover,
    /// A broker is started a second time, on another machine.
    Stray,
    ControllerDiskLoss,
    /// The quorum grows or shrinks.
    ResizeQuorum,
}

/// Each kind, with how often it comes in an average run.
const USUAL: [(Kind, u32); 18] = [
    (Kind::KillBroker, 22),
    (Kind::KillController, 8),
    (Kind::PowerOfBroker, 8),
    (Kind::PowerOfController, 3),
    (Kind::PowerOfSeveral, 4),
    (Kind::Freeze, 12),
    (Kind::Cut, 20),
    (Kind::Stop, 6),
    (Kind::Roll, 3),
    (Kind::Reset, 4),
    (Kind::TornWrite, 6),
    (Kind::DiskError, 4),
    (Kind::FlippedBit, 6),
    (Kind::DiskLoss, 4),
    (Kind::Takeover, 4),
    (Kind::Stray, 2),
    (Kind::ControllerDiskLoss, 3),
    (Kind::ResizeQuorum, 5),
];

/// How often each kind of fault comes in one run.
#[derive(Clone, Debug)]
pub(crate) struct Climate(Vec<(Kind, u32)>);

impl Climate {
    /// A run that splits the quorum's leaders from other voters changes those voters often.
    pub(crate) fn draw(rng: &mut fastrand::Rng, splits_leaders: bool) -> Self {
        let mut kinds: Vec<_> = USUAL
            .iter()
            .map(|(kind, usual)| (*kind, usual * [0, 1, 1, 3][rng.usize(..4)]))
            .collect();
        // Whatever is left out, something happens.
        kinds.push((Kind::KillBroker, 1));
        if splits_leaders {
            kinds.push((Kind::ResizeQuorum, 60));
        }
        Self(kinds)
    }

    pub(crate) fn next(&self, rng: &mut fastrand::Rng) -> Kind {
        let total: u32 = self.0.iter().map(|(_, weight)| weight).sum();
        let mut drawn = rng.u32(..total);
        for (kind, weight) in &self.0 {
            if drawn < *weight {
                return *kind;
            }
            drawn -= weight;
        }
        Kind::KillBroker
    }
}
