//! Connections: frames arrive in order or not at all; a cut stalls them.

use std::collections::VecDeque;

use kintsugi_types::Time;

use crate::happening::Frame;
use crate::place::Node;

/// A connection; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StreamId(pub u64);

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A broker's link to a controller.
    Control,
    /// Fetches between the shards of two brokers.
    Replication,
    /// A client's.
    Client,
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Who dialled.
    Dialler,
    /// Who was dialled.
    Listener,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Dialler => 0,
            Self::Listener => 1,
        }
    }
}

/// One end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) node: Node,
    pub(crate) life: u64,
    /// It takes no more frames.
    pub(crate) closed: bool,
}

/// Frames on their way to one end.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// The last arrival so far.
    pub(crate) horizon: Time,
    /// What a cut holds back.
    pub(crate) stalled: VecDeque<Frame>,
    /// How many of those were on their way already when the cut began: they go first.
    pub(crate) overtaken: usize,
    /// How often this way began to stall.
    pub(crate) stalls: u64,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) purpose: Purpose,
    /// The listener's side took the dial, and the dialler hears of it.
    pub(crate) is_established: bool,
    ends: [End; 2],
    /// To the dialler, to the listener.
    ways: [Way; 2],
}

impl Stream {
    pub(crate) fn new(purpose: Purpose, dialler: (Node, u64), listener: Node) -> Self {
        let end = |(node, life)| End {
            node,
            life,
            closed: false,
        };
        Self {
            purpose,
            is_established: false,
            ends: [end(dialler), end((listener, 0))],
            ways: [Way::default(), Way::default()],
        }
    }

    pub(crate) const fn end(&self, side: Side) -> &End {
        &self.ends[side.index()]
    }

    pub(crate) const fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side.index()]
    }

    /// The way to this end.
    pub(crate) const fn way_mut(&mut self, to: Side) -> &mut Way {
        &mut self.ways[to.index()]
    }

    pub(crate) const fn way(&self, to: Side) -> &Way {
        &self.ways[to.index()]
    }

    /// The end at this node, of this life of it.
    pub(crate) fn side_of(&self, node: Node, life: u64) -> Option<Side> {
        [Side::Dialler, Side::Listener]
            .into_iter()
            .find(|side| self.end(*side).node == node && self.end(*side).life == life)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.ends[0].closed && self.ends[1].closed
    }
}
