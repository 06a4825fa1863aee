//! A broker registers: which incarnation is in force, and what the one before it may have lost.

use std::sync::Arc;

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerEpoch, Generation};

use super::fencing::withdraw;
use crate::image::{BrokerImage, Image};
use crate::record::{BrokerRegistration, MetadataRecord};
use crate::settings::ClusterSettings;

/// The most log directories that a broker may register.
pub const DIRECTORIES_MAX: usize = 16;

/// The most brokers that a cluster knows at once.
pub const BROKERS_MAX: usize = 1_000;
/// The longest host name or rack, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// What becomes of a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Registration {
    /// This very incarnation is registered already and keeps its epoch.
    Known(BrokerEpoch),
    /// These records register it; it is fenced until it has applied them.
    New(Vec<MetadataRecord>),
}

/// Why an incarnation may not register.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegistrationRefused {
    /// A newer run of this broker is, or was, registered.
    #[error(
        "refused registration of {asked}: generation {generation} start {start} is registered; this process must end"
    )]
    Stale {
        /// Who asked.
        asked: kintsugi_types::Incarnation,
        /// The generation in force.
        generation: Generation,
        /// The start counter in force.
        start: kintsugi_types::StartCounter,
    },
    /// A newer generation was granted: what this volume holds was given up by that, and it must
    /// not become the only copy of anything again.
    #[error(
        "refused registration of {asked}: generation {granted} was granted; this process must end"
    )]
    GivenUp {
        /// Who asked.
        asked: kintsugi_types::Incarnation,
        /// The generation that may register.
        granted: Generation,
    },
    /// The directory is not the one that this generation began with.
    #[error(
        "refused registration of {asked}: its log directory is not the one that this generation registered; a new volume needs a new generation"
    )]
    OtherDirectory {
        /// Who asked.
        asked: kintsugi_types::Incarnation,
    },
    /// The generation was not granted.
    #[error(
        "refused registration of {asked}: the highest generation granted is {granted}; ask a controller to grant it first"
    )]
    NotGranted {
        /// Who asked.
        asked: kintsugi_types::Incarnation,
        /// The highest that may register.
        granted: Generation,
    },
    /// The registration itself is wrong, or one too many.
    #[error("refused registration of {asked}: {what}")]
    Malformed {
        /// Who asked.
        asked: kintsugi_types::Incarnation,
        /// What is wrong.
        what: &'static str,
    },
}

impl RegistrationRefused {
    /// Whether the process must exit without trying again.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::NotGranted { .. })
    }
}

/// Decides a registration. A higher (generation, start counter) replaces the old incarnation at
/// once, in one append: it leaves every leadership (each with a new leader epoch) and ISR, and
/// unless it surely kept its records also every ELR.
///
/// # Errors
/// When this incarnation may not register, see [`RegistrationRefused`].
pub fn register(
    image: &Image,
    settings: &ClusterSettings,
    registration: &BrokerRegistration,
) -> Result<Registration, RegistrationRefused> {
    let asked = registration.incarnation;
    check_limits(image, registration)?;
    let record = MetadataRecord::BrokerRegistered {
        registration: Arc::new(registration.clone()),
    };
    let granted = image.generations.get(&asked.broker).copied();
    let granted = granted.filter(|_| !is_on(Bug::TwoIncarnations));
    if let Some(granted) = granted.filter(|granted| asked.generation < *granted) {
        return Err(RegistrationRefused::GivenUp { asked, granted });
    }
    let Some(present) = image.brokers.get(&asked.broker) else {
        return match granted {
            Some(granted) if asked.generation > granted => {
                Err(RegistrationRefused::NotGranted { asked, granted })
            }
            _ => Ok(Registration::New(vec![record])),
        };
    };
    let known = &present.registration;
    let (generation, start) = (known.incarnation.generation, known.incarnation.start);
    let same_directories = known.directories == registration.directories;
    if asked == known.incarnation && same_directories {
        return Ok(Registration::Known(present.epoch));
    }
    let is_stale = (asked.generation, asked.start) <= (generation, start);
    if is_stale && !is_on(Bug::TwoIncarnations) {
        return Err(RegistrationRefused::Stale {
            asked,
            generation,
            start,
        });
    }
    if asked.generation == generation && !same_directories && !is_on(Bug::TwoIncarnations) {
        return Err(RegistrationRefused::OtherDirectory { asked });
    }
    let granted = granted.unwrap_or(generation).max(generation);
    if asked.generation > granted && !is_on(Bug::TwoIncarnations) {
        return Err(RegistrationRefused::NotGranted { asked, granted });
    }
    let lost = !kept_its_records(present, registration) && !is_on(Bug::ElrKeptAfterUncleanStart);
    let mut records = vec![record];
    records.extend(withdraw(image, settings, asked.broker, lost));
    Ok(Registration::New(records))
}

fn check_limits(
    image: &Image,
    registration: &BrokerRegistration,
) -> Result<(), RegistrationRefused> {
    let asked = registration.incarnation;
    let endpoints = [
        &registration.client_endpoint,
        &registration.replication_endpoint,
        &registration.control_endpoint,
    ];
    let rack_bytes = registration.rack.as_ref().map_or(0, |rack| rack.0.len());
    let is_known = image.brokers.contains_key(&asked.broker);
    let what = if !(1..=DIRECTORIES_MAX).contains(&registration.directories.len()) {
        "it must name 1 to 16 log directories"
    } else if endpoints.iter().any(|e| e.host.len() > NAME_BYTES_MAX) || rack_bytes > NAME_BYTES_MAX
    {
        "a host name or rack is longer than 255 bytes"
    } else if asked.broker.0 < 0 || registration.shards == 0 {
        "the broker id must be 0 or more, and there must be at least one shard"
    } else if !is_known && image.brokers.len() >= BROKERS_MAX {
        "the cluster has 1000 brokers already"
    } else {
        return Ok(());
    };
    Err(RegistrationRefused::Malformed { asked, what })
}

/// Whether everything that the old incarnation acknowledged is surely still there: the last stop
/// was clean and of that very registration, or it crashed on a kernel that still runs and its
/// logs reach up to what was checkpointed.
fn kept_its_records(present: &BrokerImage, new: &BrokerRegistration) -> bool {
    let known = &present.registration;
    let same_volume = known.incarnation.generation == new.incarnation.generation
        && known.directories == new.directories;
    let clean = new.clean_stop_epoch == Some(present.epoch);
    let crash_lost_nothing = known.boot == new.boot && new.recovered_to_checkpoint;
    same_volume && (clean || crash_lost_nothing)
}
