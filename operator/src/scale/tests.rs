//! Sizes by what was measured, and what keeps them from changing.

use kintsugi_crds::{Autoscaling, AutoscalingStatus};
use kintsugi_forecast::{Brokers, Loads, Resource, Sample};
use serde_json::json;

use super::figures::{Figures, ResourceFigures};
use super::history::Row;
use super::settings::settings;
use super::step::{Sizing, State, step};
use super::training::{Shape, train};
use super::{Scales, kept, training};
use crate::cluster::Cluster;
use crate::fixtures::{at, broker, cluster, formed, pod, volume};
use crate::names::{Member, Role};
use crate::observe::{Observed, ObservedRebalance, PodState, Removal};
use crate::size::size_in_force;

fn autoscaling(more: serde_json::Value) -> Autoscaling {
    let mut all = json!({"maxReplicas": 8});
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

/// A whole cluster of so many brokers.
fn of(brokers: i32) -> Observed {
    let mut observed = formed();
    for id in 3..brokers {
        let member = Member {
            role: Role::Broker,
            id,
            generation: 1,
        };
        observed.volumes.push(volume(member));
        observed.pods.push(pod(member));
        let registered = observed.quorum.as_mut().unwrap().brokers.as_mut().unwrap();
        registered.insert(id, broker(id));
    }
    observed
}

/// A load that fills `share` of three brokers, as far as nothing was learned yet.
fn load(share: f64, brokers: u32) -> Sample {
    let work = 3.0 * 60e6 * share;
    Sample {
        loads: Loads::default().with(Resource::Cpu, work),
        brokers: Brokers {
            reporting: brokers,
            missing: 0,
            unready: 0,
        },
        cpu_utilization: Some(share * 3.0 / f64::from(brokers)),
    }
}

/// One cluster, and the looks at it.
struct Looks {
    state: State,
    cluster: Cluster,
    autoscaling: Autoscaling,
    observed: Observed,
    now: i64,
}

impl Looks {
    fn at_size(brokers: i32, autoscaling: Autoscaling) -> Self {
        let mut cluster = cluster();
        cluster.autoscaling = Some(autoscaling.clone());
        cluster.brokers.replicas = brokers;
        Self {
            state: State::default(),
            cluster,
            autoscaling,
            observed: of(brokers),
            now: 0,
        }
    }

    /// A look 15 s after the one before.
    fn look(&mut self, sample: Sample) -> Sizing {
        self.now += 15;
        let sizing = step(
            &mut self.state,
            &self.cluster,
            &self.autoscaling,
            &self.observed,
            Some(sample),
            at(self.now),
        );
        self.cluster.autoscaling_written = Some(sizing.status.clone());
        sizing
    }

    /// Looks until the size is another one, or for `seconds`; gives how long that took.
    fn until_changed(&mut self, sample: Sample, seconds: i64) -> Option<(i64, i32)> {
        let (began, size) = (self.now, self.cluster.brokers.replicas);
        while self.now - began < seconds {
            let sizing = self.look(sample);
            if sizing.status.desired_replicas != size {
                return Some((self.now - began, sizing.status.desired_replicas));
            }
        }
        None
    }
}

#[test]
fn a_load_above_the_target_asks_for_more_brokers_and_says_why() {
    let mut looks = Looks::at_size(3, autoscaling(json!({})));
    let sizing = looks.look(load(0.9, 3));
    assert_eq!(sizing.status.desired_replicas, 4);
    assert_eq!(sizing.status.wanted_replicas, None);
    assert!(sizing.status.last_scale_time.is_some());
    let news = sizing.news.unwrap();
    assert_eq!(news.reason, "ScaledUp");
    assert_eq!(
        news.note,
        "4 brokers instead of 3: cpu is at 90 % of what the brokers carry, the target is 70 %, which \
         asks for 4"
    );
}

#[test]
fn a_load_at_the_target_changes_nothing_and_is_told_once_a_minute() {
    let mut looks = Looks::at_size(3, autoscaling(json!({})));
    let first = looks.look(load(0.70, 3));
    assert_eq!(first.status.desired_replicas, 3);
    assert_eq!(first.news, None);
    let next = looks.look(load(0.71, 3));
    assert_eq!((next.status, next.news), (first.status.clone(), None));
    looks.now += 60;
    assert_ne!(looks.look(load(0.72, 3)).status.reason, first.status.reason);
}

#[test]
fn figures_tell_the_load_of_each_look_and_what_a_broker_is_meant_to_carry() {
    let targets = json!({"cpuPercent": 0, "networkIn": {"bytesPerSecond": 200_000}});
    let mut looks = Looks::at_size(3, autoscaling(json!({"targets": targets})));
    looks.observed.pods.last_mut().unwrap().ready = false;
    let received = |bytes| Sample {
        loads: Loads::default().with(Resource::NetworkIn, bytes),
        ..load(0.5, 2)
    };
    for (bytes, observed) in [(150_000.0, 0.0), (160_000.0, 15.0)] {
        let resource = ResourceFigures {
            resource: Resource::NetworkIn,
            load: Some(bytes),
            broker_target: Some(140_000.0),
        };
        let expected = Figures {
            ready: 2,
            resources: vec![resource],
            forecast: None,
            forecast_decides: false,
            known_seconds: [None, Some(observed)],
        };
        assert_eq!(looks.look(received(bytes)).figures, expected);
    }
}

#[test]
fn nothing_shrinks_before_a_whole_window_was_observed() {
    let mut looks = Looks::at_size(6, autoscaling(json!({})));
    let (seconds, size) = looks.until_changed(load(0.5, 6), 1_200).unwrap();
    assert!((300..=330).contains(&seconds), "{seconds}");
    assert_eq!(size, 3);
    // An operator that restarts has observed nothing.
    looks.state = State::default();
    let (seconds, _) = looks.until_changed(load(0.5, 6), 1_200).unwrap();
    assert!((300..=330).contains(&seconds), "{seconds}");
}

#[test]
fn what_was_kept_goes_on_at_once_and_after_a_pause_a_window_is_observed_anew() {
    let kept_after_180_s = || {
        let mut looks = Looks::at_size(6, autoscaling(json!({})));
        for _ in 0..12 {
            looks.look(load(0.5, 6));
        }
        let kept = kept::keep(&looks.state).unwrap().unwrap();
        (looks, kept)
    };
    let go_on = |looks: &mut Looks, kept: &[u8], pause: i64| {
        looks.now += pause;
        let taken = kept::take_up(kept, &looks.autoscaling, at(looks.now));
        let (state, what) = taken.unwrap();
        looks.state = state;
        what
    };
    let (mut looks, kept) = kept_after_180_s();
    let since = looks.cluster.autoscaling_written.clone().unwrap();
    let what = go_on(&mut looks, &kept, 30);
    assert!(what.contains("observed without a pause since"), "{what}");
    assert_eq!(
        looks.look(load(0.5, 6)).status.observed_since,
        since.observed_since
    );
    let (seconds, size) = looks.until_changed(load(0.5, 6), 1_200).unwrap();
    assert!((60..=120).contains(&seconds), "{seconds}");
    assert_eq!(size, 3);

    let (mut looks, kept) = kept_after_180_s();
    let what = go_on(&mut looks, &kept, 600);
    assert!(what.contains("nothing shrinks before"), "{what}");
    let status = looks.look(load(0.5, 6)).status;
    assert_ne!(status.observed_since, since.observed_since);
    assert_eq!(status.learned_since, since.learned_since);
    let (seconds, _) = looks.until_changed(load(0.5, 6), 1_200).unwrap();
    assert!((285..=330).contains(&seconds), "{seconds}");
}

#[test]
fn what_was_kept_and_damaged_is_refused() {
    let autoscaling = autoscaling(json!({}));
    let refused = |bytes: &[u8]| kept::take_up(bytes, &autoscaling, at(0)).is_err();
    assert!(refused(&[]));
    assert!(refused(&[0xff; 1_000]));
    let mut looks = Looks::at_size(3, autoscaling.clone());
    looks.look(load(0.5, 3));
    let kept = kept::keep(&looks.state).unwrap().unwrap();
    assert!(refused(&kept[..kept.len() - 1]));
    // Of a time that has not come.
    assert!(kept::take_up(&kept, &autoscaling, at(-600)).is_err());
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let mut looks = Looks::at_size(3, autoscaling(json!({"dryRun": true})));
    let sizing = looks.look(load(0.9, 3));
    assert_eq!(sizing.status.desired_replicas, 3);
    assert_eq!(sizing.status.wanted_replicas, Some(4));
    assert!(
        sizing.status.reason.contains("dryRun is set"),
        "{:?}",
        sizing.status
    );
    assert_eq!(sizing.news.unwrap().reason, "WouldScale");
    assert_eq!(looks.look(load(0.9, 3)).news, None, "told once");
}

#[test]
fn a_change_waits_for_nodes_that_are_amiss_and_for_pauses() {
    let waits = |change: &dyn Fn(&mut Looks), what: &str| {
        let mut looks = Looks::at_size(3, autoscaling(json!({})));
        change(&mut looks);
        let sizing = looks.look(load(0.9, 3));
        assert_eq!(sizing.status.desired_replicas, 3, "{what}");
        assert!(sizing.status.reason.contains(what), "{:?}", sizing.status);
        assert_eq!(sizing.status.wanted_replicas, Some(4));
    };
    let unready = |looks: &mut Looks| {
        let pod = looks.observed.pods.last_mut().unwrap();
        (pod.ready, pod.state) = (false, PodState::Pending { why: None });
    };
    waits(&unready, "broker 2 is not ready");
    waits(&|looks| looks.cluster.paused = true, "spec.paused is set");
    waits(
        &|looks| looks.cluster.healing.enabled = false,
        "spec.healing.enabled is false",
    );
    waits(
        &|looks| looks.observed.quorum = None,
        "no active controller",
    );
    let outdated = |looks: &mut Looks| looks.observed.pods[4].template_hash = "old".to_owned();
    waits(&outdated, "restarted");
    let removed = |looks: &mut Looks| {
        looks.observed = of(4);
        looks.observed.volumes[6].removal = Some(Removal::Draining);
    };
    waits(&removed, "broker 3 is being removed");
}

#[test]
fn a_shrink_waits_for_replicas_that_are_moved() {
    let mut looks = Looks::at_size(6, autoscaling(json!({})));
    looks.observed.rebalances.push(ObservedRebalance {
        name: "by-hand".to_owned(),
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        owner: None,
        terminating: false,
        scope: kintsugi_crds::RebalanceScope::Full,
        adds: Vec::new(),
        word: None,
        phase: Some(kintsugi_crds::RebalancePhase::Rebalancing),
        message: String::new(),
        failed_since: None,
        completed_since: None,
    });
    assert_eq!(looks.until_changed(load(0.5, 6), 900), None);
    let written = looks.cluster.autoscaling_written.clone().unwrap();
    assert!(
        written.reason.contains("KafkaRebalance by-hand"),
        "{written:?}"
    );
    looks.observed.rebalances.clear();
    assert!(looks.until_changed(load(0.5, 6), 60).is_some());
}

#[test]
fn limits_that_change_move_the_size_into_them() {
    let mut looks = Looks::at_size(3, autoscaling(json!({"minReplicas": 5})));
    assert_eq!(looks.look(load(0.1, 3)).status.desired_replicas, 5);
    let mut looks = Looks::at_size(6, autoscaling(json!({"maxReplicas": 4})));
    assert_eq!(looks.look(load(0.9, 6)).status.desired_replicas, 4);
}

#[test]
fn the_size_in_force_is_the_status_and_without_one_what_is_there_at_least() {
    let scaled = autoscaling(json!({"minReplicas": 4}));
    let status = |desired_replicas| AutoscalingStatus {
        desired_replicas,
        ..AutoscalingStatus::default()
    };
    let size = |start, written: Option<&AutoscalingStatus>, observed: &Observed| {
        size_in_force(Some(&scaled), start, written, observed)
    };
    assert_eq!(size(3, Some(&status(5)), &of(6)), 5);
    assert_eq!(
        size(3, None, &Observed::default()),
        4,
        "the start, within the limits"
    );
    assert_eq!(size(5, None, &Observed::default()), 5);
    assert_eq!(
        size(3, None, &of(6)),
        6,
        "the status is lost: nothing shrinks"
    );
    let mut draining = of(6);
    draining.volumes.last_mut().unwrap().removal = Some(Removal::Draining);
    assert_eq!(size(3, None, &draining), 5, "what was begun goes on");
    assert_eq!(
        size_in_force(None, 3, Some(&status(5)), &of(6)),
        3,
        "people choose"
    );
    let dry = autoscaling(json!({"dryRun": true}));
    assert_eq!(size_in_force(Some(&dry), 3, Some(&status(5)), &of(6)), 3);
}

#[test]
fn a_history_that_ends_now_makes_nothing_shrink_before_a_window_was_observed() {
    let mut looks = Looks::at_size(6, autoscaling(json!({})));
    let now = at(looks.now);
    let row = |minute: i64| Row {
        at_ms: now.as_millisecond() - (3_000 - minute) * 60_000,
        bytes_in: 40e6,
        bytes_out: 40e6,
        brokers: None,
    };
    let rows: Vec<Row> = (0..=3_000).map(row).collect();
    let shape = Shape {
        copies: 3,
        brokers: 6,
    };
    let trained = train(&rows, shape, settings(&looks.autoscaling), now).unwrap();
    let autoscaling = looks.autoscaling.clone();
    looks.state.learn(&autoscaling, trained.models).unwrap();
    let status = looks.look(load(0.5, 6)).status;
    let learned_since = status.learned_since.unwrap();
    assert!(
        learned_since < crate::told::seconds(at(-2 * 86_400)),
        "{learned_since}"
    );
    assert_eq!(
        status.observed_since,
        Some(crate::told::seconds(at(looks.now)))
    );
    let (seconds, size) = looks.until_changed(load(0.5, 6), 1_200).unwrap();
    assert!((285..=330).contains(&seconds), "{seconds}");
    assert_eq!(size, 3);
}

#[test]
fn a_history_is_of_use_until_a_day_of_load_is_known() {
    let (scales, autoscaling) = (Scales::default(), autoscaling(json!({})));
    let key = ("n".to_owned(), "c".to_owned());
    assert!(scales.lacks_history(&key, "u", at(0)));
    let row = |minute: i64| Row {
        at_ms: at(60 * minute).as_millisecond(),
        bytes_in: 1e6,
        bytes_out: 1e6,
        brokers: None,
    };
    let rows: Vec<Row> = (-training::MINUTES_MIN..0).map(row).collect();
    let shape = Shape {
        copies: 3,
        brokers: 3,
    };
    let trained = train(&rows, shape, settings(&autoscaling), at(0)).unwrap();
    scales
        .learn(&key, "u", &autoscaling, trained.models)
        .unwrap();
    assert!(!scales.lacks_history(&key, "u", at(0)));
    assert!(scales.lacks_history(&key, "another", at(0)));
}
