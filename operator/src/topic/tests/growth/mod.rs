//! Partitions that are added by load: whole plans, look by look.

mod lag;
mod properties;
mod sample;

use kintsugi_crds::{PartitionGrowth, PartitionGrowthState, PartitionGrowthStatus};

use super::*;
use crate::topic::growth::{Growth, Sample, State, step};

/// A target of 100 kB/s, a bound of 60 s, a hold time of 60 s and a cooldown of 300 s.
fn asks(more: &Value) -> Value {
    let mut growth = json!({
        "maxPartitions": 20,
        "keyOrder": "NotNeeded",
        "targetBytesPerSecond": 100_000,
        "lagSeconds": 60,
        "holdSeconds": 60,
        "cooldownSeconds": 300,
    });
    for (key, value) in more.as_object().unwrap() {
        growth[key] = value.clone();
    }
    json!({"partitions": 6, "partitionGrowth": growth})
}

fn bytes(per_second: f64) -> Sample {
    Sample {
        bytes_per_second: per_second,
        lags: Vec::new(),
    }
}

/// One topic, and the looks at it.
struct Looks {
    state: State,
    topic: Topic,
    view: TopicView,
    /// What the status says: what the last plan that wrote one wrote.
    written: Option<KafkaTopicStatus>,
    now: i64,
}

impl Looks {
    fn of(spec: Value) -> Self {
        Self {
            state: State::default(),
            topic: marked(spec, &[]),
            view: view(6, &[]),
            written: None,
            now: 0,
        }
    }

    /// A look 15 s after the one before: its plan, carried out.
    fn look(&mut self, measured: Result<Sample, String>) -> Plan {
        self.now += 15;
        let (now, written) = (at(self.now), self.written.as_ref());
        let settings = self.topic.growth.unwrap();
        let growth = step(
            &mut self.state,
            &settings,
            &self.view,
            written,
            measured,
            now,
        );
        let observed = observed(Some(self.view.clone()));
        let plan = decide(&self.topic, &observed, Some(&growth), written, now);
        for command in &plan.commands {
            match command {
                Command::Grow { partitions, .. } => self.view.description.partitions = *partitions,
                Command::WriteStatus(status) => self.written = Some((**status).clone()),
                _ => {}
            }
        }
        plan
    }

    /// Looks for so many seconds, each with the same load, at which nothing must be added.
    fn calm(&mut self, seconds: i64, sample: &Sample) {
        for _ in 0..seconds / 15 {
            let plan = self.look(Ok(sample.clone()));
            assert_eq!(grown(&plan), None, "at {} s: {plan:?}", self.now);
        }
    }

    /// Looks until partitions are added: when, and to how many.
    fn until_grown(&mut self, sample: &Sample) -> (i64, i32) {
        for _ in 0..100 {
            let plan = self.look(Ok(sample.clone()));
            if let Some(to) = grown(&plan) {
                return (self.now, to);
            }
        }
        panic!("nothing was added in {} s", self.now)
    }

    fn told(&self) -> PartitionGrowthStatus {
        let written = self.written.as_ref();
        let told = written.and_then(|status| status.partition_growth.clone());
        told.expect("nothing was told")
    }

    /// The state and the reason that the status has.
    fn reason(&self) -> (PartitionGrowthState, String) {
        (self.told().state, self.told().reason)
    }
}

fn grown(plan: &Plan) -> Option<i32> {
    plan.commands.iter().find_map(|command| match command {
        Command::Grow { partitions, .. } => Some(*partitions),
        _ => None,
    })
}

const WHY: &str = "10 partitions instead of 6: 6 partitions take 750 kB/s, 125 kB/s each, above the target of 100 kB/s";

#[test]
fn a_topic_grows_once_by_throughput_and_each_look_has_its_plan() {
    let mut looks = Looks::of(asks(&json!({})));
    let load = bytes(750_000.0);
    let expected = |state, reason: &str, more: Option<(i32, i64)>| {
        let mut status = in_sync(6);
        status.partition_growth = Some(PartitionGrowthStatus {
            state,
            wanted_partitions: more.map(|(wanted, _)| wanted),
            since: more.map(|(_, since)| at(since).to_string()),
            reason: reason.to_owned(),
            last_growth_time: None,
            last_growth_reason: None,
        });
        status.conditions[0].last_transition_time = at(15).to_string();
        Command::WriteStatus(Box::new(status))
    };
    let first = looks.look(Ok(bytes(300_000.0)));
    let words = "6 partitions take 300 kB/s, 50 kB/s each; the target is 100 kB/s; no group has committed any offset";
    let enough = expected(PartitionGrowthState::Enough, words, None);
    assert_eq!(first.commands, [enough]);
    let armed = looks.look(Ok(load.clone()));
    let due = at(90);
    let words = format!(
        "6 partitions take 750 kB/s, 125 kB/s each, above the target of 100 kB/s: if it stays so, the \
         topic grows to 10 partitions at {due}"
    );
    let too_few = expected(PartitionGrowthState::TooFew, &words, Some((10, 30)));
    assert_eq!(armed.commands, [too_few]);
    for _ in 0..3 {
        assert_eq!(looks.look(Ok(load.clone())).commands, []);
    }
    // 750 kB/s are ten partitions at four fifths of the target, rounded up.
    let plan = looks.look(Ok(load.clone()));
    let grow = Command::Grow {
        topic: "orders".to_owned(),
        partitions: 10,
        why: Some(WHY.to_owned()),
    };
    assert_eq!(
        (looks.now, plan.commands.as_slice()),
        (90, [grow].as_slice())
    );
    assert_eq!(events(&plan), ["PartitionsGrown"]);
    let note = plan.commands[0].announcement().unwrap().note;
    assert_eq!(note, format!("Topic orders has {WHY}"));

    let plan = looks.look(Ok(load.clone()));
    assert_eq!(plan.commands.len(), 1, "{plan:?}");
    let told = looks.told();
    assert_eq!(told.state, PartitionGrowthState::Enough);
    assert_eq!(told.last_growth_time, Some(at(105).to_string()));
    assert_eq!(told.last_growth_reason.as_deref(), Some(WHY));
    let status = looks.written.clone().unwrap();
    assert_eq!(status.partitions, Some(10));
    assert_eq!(status.conditions[0].reason, "InSync", "spec says 6");
    // The same load is spread now.
    looks.calm(3_600, &load);
}

#[test]
fn a_burst_and_load_that_is_below_the_target_on_average_add_nothing() {
    let mut looks = Looks::of(asks(&json!({})));
    looks.calm(45, &bytes(1_200_000.0));
    looks.calm(15, &bytes(500_000.0));
    looks.calm(45, &bytes(1_200_000.0));
    looks.calm(60, &bytes(500_000.0));
    // Above, and then between nine tenths and the target for the rest of the hold time.
    looks.calm(15, &bytes(610_000.0));
    looks.calm(60, &bytes(550_000.0));
    looks.calm(15, &bytes(610_000.0));
    assert_eq!(looks.told().since, Some(at(looks.now).to_string()));
}

#[test]
fn a_step_at_most_doubles_and_the_next_waits_for_the_cooldown_and_then_for_the_maximum() {
    let mut looks = Looks::of(asks(&json!({})));
    let load = bytes(9_000_000.0);
    let (first, to) = looks.until_grown(&load);
    assert_eq!((first, to), (75, 12));
    // The look after it sees the new number, from which the cooldown counts.
    let (second, to) = looks.until_grown(&load);
    assert_eq!(
        (second, to),
        (first + 15 + 300, 20),
        "24 are above the maximum"
    );
    looks.look(Ok(load.clone()));
    assert_eq!(looks.told().state, PartitionGrowthState::AtMaximum);
    let mut told = Vec::new();
    for _ in 0..40 {
        let plan = looks.look(Ok(load.clone()));
        assert_eq!(grown(&plan), None);
        told.extend(events(&plan));
    }
    assert_eq!(told, ["PartitionsAtMaximum"]);
    let (_, reason) = looks.reason();
    assert!(
        reason.ends_with("raise spec.partitionGrowth.maxPartitions"),
        "{reason}"
    );
}

#[test]
fn what_cannot_be_measured_or_a_cluster_that_is_not_whole_begins_the_hold_time_anew() {
    let mut looks = Looks::of(asks(&json!({})));
    let load = bytes(750_000.0);
    looks.calm(60, &load);
    let why = "nothing is decided while demo-broker-1-1 is not ready".to_owned();
    let plan = looks.look(Err(why.clone()));
    assert_eq!(grown(&plan), None);
    assert_eq!(looks.reason(), (PartitionGrowthState::Waiting, why));
    let before = looks.now;
    assert_eq!(looks.until_grown(&load), (before + 75, 10));
    // So does a look that came to nothing, and a time without looks.
    let mut looks = Looks::of(asks(&json!({})));
    looks.calm(60, &load);
    looks.state.interrupt();
    looks.calm(60, &load);
    looks.now += 60;
    looks.calm(60, &load);
}

#[test]
fn an_operator_that_restarts_waits_for_a_hold_time_and_for_the_cooldown_that_the_status_tells() {
    let load = bytes(9_000_000.0);
    let mut looks = Looks::of(asks(&json!({})));
    let (first, _) = looks.until_grown(&load);
    looks.calm(30, &load);
    looks.state = State::default();
    let (second, _) = looks.until_grown(&load);
    assert_eq!(second, first + 15 + 300);

    // It died between the act and the status: the number tells that there was one.
    let mut looks = Looks::of(asks(&json!({})));
    let (first, _) = looks.until_grown(&load);
    looks.state = State::default();
    let (second, _) = looks.until_grown(&load);
    assert_eq!(second, first + 15 + 300);
}

#[test]
fn a_status_that_is_wiped_at_any_look_changes_nothing_that_is_done() {
    let load = bytes(9_000_000.0);
    let acts = |wiped: Option<usize>| {
        let mut looks = Looks::of(asks(&json!({})));
        let mut acts = Vec::new();
        for look in 0..60 {
            if wiped == Some(look) {
                looks.written = None;
            }
            acts.extend(grown(&looks.look(Ok(load.clone()))).map(|to| (looks.now, to)));
        }
        (acts, looks.reason())
    };
    let unharmed = acts(None);
    assert_eq!(unharmed.0, [(75, 12), (390, 20)]);
    for look in 0..60 {
        assert_eq!(acts(Some(look)), unharmed, "wiped before look {look}");
    }
    // With the operator's memory as well, a growth comes no sooner than a hold time later.
    let mut looks = Looks::of(asks(&json!({})));
    looks.until_grown(&load);
    (looks.state, looks.written) = (State::default(), None);
    let lost = looks.now;
    assert_eq!(looks.until_grown(&load), (lost + 75, 20));
}

#[test]
fn a_higher_number_in_spec_is_still_followed_and_begins_the_cooldown() {
    let mut looks = Looks::of(asks(&json!({})));
    let load = bytes(1_500_000.0);
    looks.calm(60, &load);
    looks.topic.partitions = Some(8);
    let plan = looks.look(Ok(load.clone()));
    let grow = Command::Grow {
        topic: "orders".to_owned(),
        partitions: 8,
        why: None,
    };
    assert_eq!(plan.commands, [grow], "spec goes first");
    assert_eq!(events(&plan), ["PartitionsAdded"]);
    looks.look(Ok(load.clone()));
    let why = looks.told().last_growth_reason.unwrap();
    assert!(
        why.starts_with("8 partitions instead of 6: raised by spec"),
        "{why}"
    );
    let seen = looks.now;
    assert_eq!(looks.until_grown(&load), (seen + 300, 16));
}

#[test]
fn a_dry_run_tells_once_and_adds_nothing() {
    let mut looks = Looks::of(asks(&json!({"dryRun": true})));
    let mut told = Vec::new();
    for _ in 0..40 {
        let plan = looks.look(Ok(bytes(750_000.0)));
        assert_eq!(grown(&plan), None);
        told.extend(events(&plan));
    }
    assert_eq!(told, ["PartitionsWouldGrow"]);
    assert_eq!(looks.told().wanted_partitions, Some(10));
    assert_eq!(looks.told().state, PartitionGrowthState::TooFew);
}

#[test]
fn a_compacted_topic_never_grows_whoever_set_its_policy() {
    let mut looks = Looks::of(asks(&json!({})));
    looks.view = view(6, &[("cleanup.policy", "compact,delete")]);
    looks.calm(600, &bytes(9_000_000.0));
    assert_eq!(looks.told().state, PartitionGrowthState::Refused);
}

#[test]
fn a_growth_that_the_broker_refuses_is_tried_again_and_says_so() {
    let mut looks = Looks::of(asks(&json!({})));
    let load = bytes(750_000.0);
    looks.until_grown(&load);
    looks.view.description.partitions = 6;
    let refused = on_refusal(
        &looks.topic,
        &observed(Some(looks.view.clone())),
        "Unable to replicate".to_owned(),
        looks.written.as_ref(),
        at(looks.now),
    );
    let Some(Command::WriteStatus(status)) = refused.commands.last() else {
        panic!("{refused:?}")
    };
    assert!(
        status.partition_growth.is_some(),
        "what was told of it stays"
    );
    looks.written = Some((**status).clone());
    let plan = looks.look(Ok(load));
    assert_eq!(grown(&plan), Some(10));
    assert_eq!(plan.commands.len(), 1, "the refusal stands until it passes");
}

#[test]
fn a_topic_that_became_another_one_begins_anew() {
    let mut looks = Looks::of(asks(&json!({})));
    let load = bytes(750_000.0);
    looks.calm(60, &load);
    looks.view.description.id = Uuid::from_u128(8);
    looks.view.description.partitions = 7;
    looks.look(Ok(load.clone()));
    let told = looks.told();
    assert_eq!(told.last_growth_time, None, "it was born with seven");
    let begun = looks.now;
    assert_eq!(looks.until_grown(&load), (begun + 60, 10));
}

#[test]
fn a_topic_that_does_not_ask_has_no_growth_in_its_status() {
    let topic = marked(json!({"partitions": 10}), &[]);
    let mut written = in_sync(10);
    written.partition_growth = Some(Growth::waiting("it asked before".to_owned()).status);
    let observed = observed(Some(view(10, &[])));
    let plan = decide(&topic, &observed, None, Some(&written), at(0));
    let cleared = Command::WriteStatus(Box::new(in_sync(10)));
    assert_eq!(plan.commands, [cleared]);
    // And a number below what there is, is a shrink again.
    let topic = marked(json!({"partitions": 6}), &[]);
    let plan = decide(&topic, &observed, None, Some(&in_sync(10)), at(0));
    refusal_of(&plan, "ShrinkRefused", "Set spec.partitions to 10");
}

#[test]
fn a_topic_that_asks_is_looked_at_often_and_when_a_growth_is_due() {
    let mut looks = Looks::of(asks(&json!({})));
    let calm = looks.look(Ok(bytes(1.0))).requeue.unwrap();
    assert!((15..18).contains(&calm.as_secs()), "{calm:?}");
    let load = bytes(750_000.0);
    looks.look(Ok(load.clone()));
    looks.now += 35;
    // Ten seconds are left of the hold time.
    let due = looks.look(Ok(load)).requeue.unwrap();
    assert_eq!(due, Duration::from_secs(10));
}

#[test]
fn a_resource_without_the_word_is_refused_and_one_is_born_with_no_more_than_its_maximum() {
    let growth = json!({"maxPartitions": 8});
    let without = resource(&json!({"partitionGrowth": growth}));
    let error = validate(&without).unwrap_err();
    assert_eq!(error, ValidateError::KeyOrder);
    let growth = json!({"maxPartitions": 8, "keyOrder": "NotNeeded"});
    let born = topic(json!({"partitionGrowth": growth}));
    assert_eq!(born.partitions_at_birth(), 8);
    let settings: PartitionGrowth = born.growth.unwrap();
    let numbers = (settings.target_bytes_per_second, settings.lag_seconds);
    assert_eq!(numbers, (5_000_000, 300));
    let seconds = (settings.hold_seconds, settings.cooldown_seconds);
    assert_eq!((seconds, settings.dry_run), ((900, 3_600), false));
}
