//! Which topics a group's members subscribe to.

use std::collections::BTreeSet;

use bytes::Bytes;
use kintsugi_wire::primitive::{CodecError, Decoding, Reader};

use super::{Group, Member};

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";
/// The fewest bytes of a topic's name in a subscription.
const NAME_BYTES_MIN: usize = 2;

/// The topics of all members together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subscribed {
    /// These.
    Topics(BTreeSet<String>),
    /// Not known: the members are consumers, and say it in a way that is not understood, or have
    /// not agreed on a protocol yet.
    Unknown,
    /// The members are no consumers.
    NoConsumers,
}

impl Subscribed {
    /// Whether a topic is, or may be, subscribed to.
    pub(crate) fn has(&self, topic: &str) -> bool {
        match self {
            Self::Topics(topics) => topics.contains(topic),
            Self::Unknown => true,
            Self::NoConsumers => false,
        }
    }
}

impl Group {
    /// Whether its members are consumers.
    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// What the members subscribe to.
    pub(crate) fn subscribed_topics(&self) -> Subscribed {
        if !self.uses_consumer_protocol() {
            return Subscribed::NoConsumers;
        }
        let protocol = match &self.protocol {
            _ if self.members.is_empty() => return Subscribed::Topics(BTreeSet::new()),
            Some(protocol) => protocol,
            None => return Subscribed::Unknown,
        };
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            match topics_of(member, protocol) {
                Ok(of_member) => topics.extend(of_member),
                Err(_) => return Subscribed::Unknown,
            }
        }
        Subscribed::Topics(topics)
    }
}

/// Every version of a consumer's subscription begins with its version and the topics.
fn topics_of(member: &Member, protocol: &str) -> Result<Vec<String>, CodecError> {
    let subscription: Bytes = member.subscription(protocol);
    let mut decoding = Decoding {
        reader: Reader::new(&subscription),
        is_flexible: false,
    };
    let _version = decoding.reader.i16()?;
    let count = decoding.array(NAME_BYTES_MIN)?;
    let names = (0..count).map(|_| Ok(decoding.string()?.as_str().to_owned()));
    names.collect()
}
