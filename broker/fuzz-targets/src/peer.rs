//! Messages of other brokers and controllers, and records of the metadata log.

use std::collections::BTreeMap;

use kintsugi_metadata::record::MetadataRecord;
use kintsugi_node::message::link::{DialBackAnswer, Hello, ToBroker, ToController};
use kintsugi_node::message::replication::{FetchRequest, FetchResponse};
use kintsugi_quorum::{Command, Config, Engine, Event, Message, Recovered};
use kintsugi_types::{ControllerId, DirectoryId, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::INPUT_BYTES_MAX;

/// How many messages of one input an engine hears.
const MESSAGES_MAX: usize = 64;

/// The first byte chooses what is said, the rest says it: a frame is decoded as its receiver
/// does, encoded and decoded again. A run of Raft messages, a byte of sender and two of length
/// before each, is also heard by an engine.
///
/// # Panics
/// When a message changes in a round trip.
pub fn peer(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    if input.len() > INPUT_BYTES_MAX {
        return;
    }
    match kind % 9 {
        0 => drop(again::<Message>(rest)),
        1 => drop(again::<Hello>(rest)),
        2 => drop(again::<ToController>(rest)),
        3 => drop(again::<ToBroker>(rest)),
        4 => drop(again::<FetchRequest>(rest)),
        5 => drop(again::<FetchResponse>(rest)),
        6 => drop(again::<DialBackAnswer>(rest)),
        7 => drop(again::<MetadataRecord>(rest)),
        _ => hear(rest),
    }
}

fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let first: T = postcard::from_bytes(bytes).ok()?;
    let encoded = postcard::to_stdvec(&first).expect("a decoded message can be encoded");
    let second: T = postcard::from_bytes(&encoded).expect("a message of our own");
    assert_eq!(first, second);
    Some(second)
}

/// A directory that a controller of this id has.
pub fn directory(id: i32) -> DirectoryId {
    DirectoryId(uuid::Uuid::from_u128(u128::from(id.unsigned_abs())))
}

/// An engine of three voters hears what two of them say, its disk being quick.
fn hear(mut bytes: &[u8]) {
    let ids = [1, 2, 3].map(ControllerId);
    let voters = ids.map(|id| (id, Some(directory(id.0))));
    let config = Config::new(ids[0], directory(1), BTreeMap::from(voters));
    let mut now = Time::ZERO;
    let Ok(mut engine) = Engine::new(config, Recovered::fresh(true), now, 1) else {
        return;
    };
    for _ in 0..MESSAGES_MAX {
        let [from, high, low, rest @ ..] = bytes else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        bytes = rest;
        let event = match postcard::from_bytes::<Message>(frame) {
            Ok(message) => Event::Received {
                from: ids[usize::from(*from) % ids.len()],
                message,
            },
            Err(_) => Event::Tick,
        };
        now = Time::from_millis(now.as_millis() + u64::from(*from >> 2));
        let mut commands = Vec::new();
        engine.handle(now, event, &mut commands);
        // Writing asks for no more writing but once: a vote that is kept begins a term.
        for _ in 0..MESSAGES_MAX {
            let tokens: Vec<_> = commands.drain(..).filter_map(persisted).collect();
            if tokens.is_empty() {
                break;
            }
            for token in tokens {
                engine.handle(now, Event::Persisted { token }, &mut commands);
            }
        }
    }
}

fn persisted(command: Command) -> Option<kintsugi_quorum::PersistToken> {
    match command {
        Command::Persist(persist) => Some(persist.token),
        _ => None,
    }
}
