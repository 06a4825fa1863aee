//! Who is where: processes, and the addresses by which they find each other.

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerId, ControllerId, Endpoint};

/// The first controller's id; the others follow.
const FIRST_CONTROLLER: i32 = 1000;

/// How many machines there are for controllers.
pub(crate) const CONTROLLERS: usize = 5;

/// Machine number `n` has the broker with the id `n` modulo this; it is more than there are brokers.
const STRIDE: usize = 8;

/// The most generations of one broker.
const GENERATIONS_MAX: usize = 8;

/// The most machines on which a broker is started a second time by mistake.
const STRAYS_MAX: usize = 4;

/// How many machines there may be for brokers.
pub(crate) const MACHINES: usize = STRIDE * (GENERATIONS_MAX + STRAYS_MAX);

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

/// The broker that a machine is for.
pub(crate) fn broker_id(machine: usize) -> BrokerId {
    BrokerId(i32::try_from(machine % STRIDE).unwrap_or(0))
}

/// The machine of a broker's first generation.
pub(crate) fn first_machine(id: BrokerId) -> usize {
    usize::try_from(id.0).unwrap_or(0) % STRIDE
}

/// The machine of the generation after that of `machine`, if there may be one more.
pub(crate) fn next_machine(machine: usize) -> Option<usize> {
    let next = machine + STRIDE;
    (next < STRIDE * GENERATIONS_MAX).then_some(next)
}

/// The machines on which a broker may be started a second time.
pub(crate) fn stray_machines(id: BrokerId) -> impl Iterator<Item = usize> {
    let first = first_machine(id) + STRIDE * GENERATIONS_MAX;
    (0..STRAYS_MAX).map(move |number| first + STRIDE * number)
}

/// The machine that a broker is registered on.
pub(crate) fn machine_of(image: &Image, id: BrokerId) -> usize {
    let known = image.brokers.get(&id);
    let place = known.map(|broker| Node::at(&broker.registration.replication_endpoint));
    match place {
        Some(Node::Broker(machine)) => machine,
        _ => first_machine(id),
    }
}
