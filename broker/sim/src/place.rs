//! Who is where: processes, and the addresses by which they find each other.

use kintsugi_types::{BrokerId, ControllerId, Endpoint};

/// The first controller's id; the others follow.
const FIRST_CONTROLLER: i32 = 1000;

/// One machine with one process on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Node {
    Controller(usize),
    Broker(usize),
    Client(usize),
}

/// One event loop of a process; the others of that process run beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Loop {
    /// The only one of a controller or client; a broker's control.
    Main,
    /// A broker's shard.
    Shard(u16),
}

impl Node {
    pub(crate) fn endpoint(self) -> Endpoint {
        let (host, port) = match self {
            Self::Controller(index) => ("controller", index),
            Self::Broker(index) => ("broker", index),
            Self::Client(index) => ("client", index),
        };
        Endpoint {
            host: host.to_owned(),
            port: u16::try_from(port).unwrap_or(u16::MAX),
        }
    }

    pub(crate) fn at(endpoint: &Endpoint) -> Self {
        let index = usize::from(endpoint.port);
        match endpoint.host.as_str() {
            "controller" => Self::Controller(index),
            "broker" => Self::Broker(index),
            _ => Self::Client(index),
        }
    }

    /// A number of its own, for traces.
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Controller(index) => index as u64,
            Self::Broker(index) => 100 + index as u64,
            Self::Client(index) => 200 + index as u64,
        }
    }
}

pub(crate) fn controller_id(index: usize) -> ControllerId {
    ControllerId(FIRST_CONTROLLER + i32::try_from(index).unwrap_or(0))
}

pub(crate) fn controller_index(id: ControllerId) -> usize {
    usize::try_from(id.0 - FIRST_CONTROLLER).unwrap_or(0)
}

pub(crate) fn broker_id(index: usize) -> BrokerId {
    BrokerId(i32::try_from(index).unwrap_or(0))
}

pub(crate) fn broker_index(id: BrokerId) -> usize {
    usize::try_from(id.0).unwrap_or(0)
}
