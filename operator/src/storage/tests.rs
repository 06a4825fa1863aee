//! Volumes by what is used of them, and what keeps them from growing.

use kintsugi_crds::{StorageAutoscaling, StorageState};
use serde_json::json;

use super::step::{State, Storing, step};
use super::{in_force, kept};
use crate::cluster::Cluster;
use crate::decide::decide;
use crate::fixtures::{at, cluster, formed};
use crate::history::History;
use crate::names::Role;
use crate::observe::{Disk, Observed};
use crate::plan::{Command, VolumeChange};

const GIB: f64 = 1_073_741_824.0;
const HOUR: i64 = 3_600;

fn autoscaling(more: serde_json::Value) -> StorageAutoscaling {
    let mut all = json!({"maxSize": "100Gi"});
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

/// One cluster with volumes of 10 GiB, and the looks at it.
struct Looks {
    state: State,
    cluster: Cluster,
    autoscaling: StorageAutoscaling,
    observed: Observed,
    now: i64,
}

impl Looks {
    fn new(autoscaling: StorageAutoscaling) -> Self {
        let mut cluster = cluster();
        cluster.storage_autoscaling = Some(autoscaling.clone());
        let mut looks = Self {
            state: State::default(),
            cluster,
            autoscaling,
            observed: formed(),
            now: 0,
        };
        for volume in &mut looks.observed.volumes {
            volume.storage_class = Some("fast".to_owned());
        }
        looks.observed.expandable.insert("fast".to_owned(), true);
        looks.have("10Gi", 10.0);
        looks
    }

    /// The driver has made every broker's volume so large.
    fn have(&mut self, size: &str, gibibytes: f64) {
        for volume in &mut self.observed.volumes {
            if volume.member.role == Role::Broker {
                volume.capacity = Some(size.to_owned());
            }
        }
        for id in 0..3 {
            let used_bytes = self
                .observed
                .disks
                .get(&id)
                .map_or(GIB, |disk| disk.used_bytes);
            let disk = Disk {
                used_bytes,
                capacity_bytes: Some(gibibytes * GIB),
                ..Disk::default()
            };
            self.observed.disks.insert(id, disk);
        }
    }

    fn uses(&mut self, broker: i32, gibibytes: f64) {
        self.observed.disks.get_mut(&broker).unwrap().used_bytes = gibibytes * GIB;
    }

    /// A look 15 s after the one before.
    fn look(&mut self) -> Storing {
        self.now += 15;
        let storing = step(
            &mut self.state,
            &self.cluster,
            &self.autoscaling,
            &self.observed,
            at(self.now),
        );
        self.cluster.storage_written = Some(storing.status.clone());
        storing
    }

    /// The changes of claims that a look leads to.
    fn changes(&mut self) -> Vec<VolumeChange> {
        let storing = self.look();
        let mut cluster = self.cluster.clone();
        cluster.brokers.size.clone_from(&storing.size);
        cluster.storing = Some(storing);
        let plan = decide(
            &cluster,
            &self.observed,
            None,
            &History::default(),
            at(self.now),
        );
        let changes = plan
            .commands
            .into_iter()
            .filter_map(|command| match command {
                Command::ChangeVolume(change) => Some(change),
                _ => None,
            });
        changes.collect()
    }

    /// Claims ask for what they were told to.
    fn carry_out(&mut self, changes: &[VolumeChange]) {
        let now = at(self.now);
        for change in changes {
            let mut volumes = self.observed.volumes.iter_mut();
            let volume = volumes.find(|volume| volume.name == change.name).unwrap();
            volume.size = change.size.clone().unwrap();
            volume.grown = Some(now);
        }
    }
}

#[test]
fn a_volume_that_is_used_beyond_the_share_has_all_brokers_claims_grow_and_nothing_else() {
    let mut looks = Looks::new(autoscaling(json!({})));
    looks.uses(1, 8.0);
    let changes = looks.changes();
    let expected = looks
        .observed
        .volumes
        .iter()
        .filter(|volume| volume.member.role == Role::Broker);
    let expected: Vec<VolumeChange> = expected
        .map(|volume| VolumeChange {
            size: Some("13Gi".to_owned()),
            annotations: [(
                "kintsugi.dev/storage-grown".to_owned(),
                Some("2027-01-15T08:00:15Z".to_owned()),
            )]
            .into(),
            ..VolumeChange::of(volume)
        })
        .collect();
    assert_eq!(changes, expected);
    let told = looks.cluster.storage_written.clone().unwrap();
    assert_eq!(
        (told.state, told.size.as_str()),
        (StorageState::Growing, "13Gi")
    );
    assert_eq!(
        told.reason,
        "80 % of broker 1's volume of 10.0 GiB are used, and volumes grow at 80 %: claims ask for \
         13Gi instead of 10Gi"
    );
}

#[test]
fn below_the_share_nothing_is_asked_for_and_a_growth_is_told_once() {
    let mut looks = Looks::new(autoscaling(json!({})));
    looks.uses(1, 7.9);
    assert_eq!(looks.changes(), []);
    assert_eq!(
        looks.cluster.storage_written.as_ref().unwrap().state,
        StorageState::Fits
    );
    looks.uses(1, 8.5);
    let grows = looks.look();
    assert_eq!(grows.news.unwrap().reason, "StorageGrown");
    // The API server refused; it is tried again after a minute, and not told again.
    for _ in 0..3 {
        assert_eq!(looks.look().status.state, StorageState::Waiting);
    }
    let again = looks.look();
    assert_eq!(
        (again.status.state, again.news),
        (StorageState::Growing, None)
    );
}

#[test]
fn the_next_growth_waits_for_the_volumes_and_for_the_cooldown_that_stands_on_the_claims() {
    let mut looks = Looks::new(autoscaling(json!({"cooldownSeconds": 600})));
    looks.uses(1, 9.5);
    let changes = looks.changes();
    looks.carry_out(&changes);
    let waits = looks.look();
    assert_eq!(waits.status.state, StorageState::Growing);
    assert!(
        waits.status.reason.contains("and its volume has 10Gi yet"),
        "{:?}",
        waits.status
    );
    looks.have("13Gi", 13.0);
    looks.uses(1, 12.5);
    // Another operator, which remembers nothing.
    looks.state = State::default();
    let waits = looks.look();
    assert_eq!(
        waits.status.state,
        StorageState::Waiting,
        "{:?}",
        waits.status
    );
    assert!(
        waits.status.reason.contains("grow again in 570 s"),
        "{:?}",
        waits.status
    );
    looks.now += 570;
    assert_eq!(looks.look().size, "17Gi");
}

#[test]
fn a_volume_that_a_driver_does_not_enlarge_is_told_of_after_a_while_and_once() {
    let mut looks = Looks::new(autoscaling(json!({})));
    looks.uses(1, 9.0);
    let changes = looks.changes();
    looks.carry_out(&changes);
    assert_eq!(looks.look().blocked, None);
    looks.now += 900;
    let late = looks.look();
    assert_eq!(late.blocked.unwrap().0, "StorageNotGrown");
    assert_eq!(late.news.unwrap().reason, "StorageNotGrown");
    assert_eq!(looks.look().news, None);
}

#[test]
fn no_claim_asks_for_more_than_the_most_and_it_is_told_that_it_does_not_do() {
    let mut looks = Looks::new(autoscaling(json!({"maxSize": "12Gi"})));
    looks.uses(0, 9.9);
    let storing = looks.look();
    assert_eq!(storing.size, "12Gi");
    let news = storing.news.unwrap();
    assert_eq!((news.reason, news.warning), ("StorageMaxTooSmall", true));
    assert!(
        news.note.ends_with("13Gi would do, and maxSize is 12Gi"),
        "{}",
        news.note
    );
    let mut looks = Looks::new(autoscaling(json!({"maxSize": "10Gi"})));
    looks.uses(0, 9.9);
    let storing = looks.look();
    assert_eq!(
        (storing.status.state, storing.size.as_str()),
        (StorageState::MaxReached, "10Gi")
    );
    assert_eq!(storing.news.unwrap().reason, "StorageMaxReached");
    assert_eq!(looks.changes(), []);
    // An operator that starts finds in the status that it was told.
    looks.state = State::default();
    assert_eq!(looks.look().news, None);
}

#[test]
fn a_class_that_lets_no_volume_grow_is_told_once_and_asked_for_nothing() {
    let mut looks = Looks::new(autoscaling(json!({})));
    looks.observed.expandable.insert("fast".to_owned(), false);
    looks.uses(1, 9.5);
    let storing = looks.look();
    assert_eq!(storing.status.state, StorageState::NotExpandable);
    assert_eq!(storing.news.unwrap().reason, "StorageNotExpandable");
    assert_eq!(looks.look().news, None);
    looks.cluster.brokers.size = "20Gi".to_owned();
    assert_eq!(
        looks.changes(),
        [],
        "not even what spec asks for: it would be refused each time"
    );
}

#[test]
fn a_pause_and_a_missing_measure_hold_it() {
    let mut looks = Looks::new(autoscaling(json!({})));
    looks.uses(1, 9.5);
    looks.cluster.paused = true;
    assert_eq!(looks.look().status.state, StorageState::Waiting);
    looks.cluster.paused = false;
    looks.observed.disks.clear();
    assert_eq!(looks.look().status.state, StorageState::Unknown);
    assert_eq!(looks.changes(), []);
}

#[test]
fn growth_that_fills_a_volume_within_the_hours_asks_for_room_until_the_growth_after() {
    let mut looks = Looks::new(autoscaling(json!({})));
    // Half a gibibyte an hour: 88 of 100 GiB are used, 24 hours before all are.
    looks.have("100Gi", 100.0);
    for volume in &mut looks.observed.volumes {
        volume.size = "100Gi".to_owned();
    }
    looks.autoscaling.max_size = "1Ti".to_owned();
    looks.autoscaling.used_percent = 95;
    let mut decided = None;
    for hour in 0..240 {
        looks.now = hour * HOUR;
        looks.uses(2, 10.0 + 0.5 * hour as f64);
        let storing = looks.look();
        if storing.status.state == StorageState::Growing {
            decided = Some((hour, storing));
            break;
        }
    }
    let (hour, storing) = decided.unwrap();
    assert!((155..=157).contains(&hour), "{hour}");
    assert!(
        storing.status.reason.contains("may be full in 24 h"),
        "{:?}",
        storing.status
    );
    assert_eq!(storing.size, "125Gi");
    let bytes = kept::keep(&looks.state).unwrap().unwrap();
    let (next, what) = kept::take_up(&bytes, at(looks.now)).unwrap();
    assert_eq!(next.fills, looks.state.fills);
    assert!(what.starts_with("how 3 volumes filled"), "{what}");
    assert!(
        kept::take_up(&bytes, at(0)).is_err(),
        "of a time that has not come"
    );
    assert!(kept::take_up(&bytes[..bytes.len() / 2], at(looks.now)).is_err());
}

#[test]
fn the_size_in_force_is_the_largest_that_a_claim_asks_for_and_never_less_than_spec() {
    let mut observed = formed();
    assert_eq!(in_force("10Gi", &observed), "10Gi");
    observed.volumes[4].size = "15Gi".to_owned();
    assert_eq!(in_force("10Gi", &observed), "15Gi");
    assert_eq!(in_force("20Gi", &observed), "20Gi");
    observed.volumes[4].lost = true;
    assert_eq!(in_force("10Gi", &observed), "10Gi");
}
