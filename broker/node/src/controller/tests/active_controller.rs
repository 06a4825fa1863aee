use std::collections::BTreeSet;

use kintsugi_metadata::MetadataRecord;
use kintsugi_metadata::failure_detector::DeathCause;
use kintsugi_quorum as quorum;
use kintsugi_types::{BrokerEpoch, BrokerId, LeaderEpoch, MetadataOffset};

use super::harness::{
    Harness, cluster, config, create, deltas, endpoint, incarnation, kill, ms, registration, to,
};
use crate::controller::Controller;
use crate::message::controller::{Command, DialId, DialOutcome, Event, LinkId, Observation};
use crate::message::link::{Heartbeat, ToBroker, ToController};

#[test]
fn a_single_voter_forms_the_cluster_once() {
    let harness = Harness::active();
    assert!(harness.controller.is_active());
    let image = harness.controller.image();
    assert_eq!(image.cluster, Some(cluster()));
    // The first entry is the leader's no-op.
    assert_eq!(image.offset, MetadataOffset(2));
}

#[test]
fn a_controller_that_does_not_lead_sends_brokers_away() {
    let mut config = config();
    let other = kintsugi_types::ControllerId(1_001);
    config.quorum.voters.insert(other, None);
    let recovered = quorum::Recovered::fresh(true);
    let mut follower = Controller::open(config, recovered, ms(1), 7).unwrap();
    let mut out = Vec::new();
    let opened = Event::LinkOpened {
        link: LinkId(5),
        incarnation: incarnation(0, 1),
        cluster: cluster(),
    };
    follower.handle(ms(2), opened, &mut out);
    let link = LinkId(5);
    let expected = [
        to(5, ToBroker::NotActive { leader: None }),
        Command::CloseLink { link },
    ];
    assert_eq!(out, expected);
}

#[test]
fn a_broker_of_another_cluster_is_refused_for_good() {
    let mut harness = Harness::active();
    let out = harness.give(Event::LinkOpened {
        link: LinkId(5),
        incarnation: incarnation(0, 1),
        cluster: "other".parse().unwrap(),
    });
    let [
        Command::ToBroker {
            message: ToBroker::Refused { fatal: true, .. },
            ..
        },
        Command::CloseLink { .. },
    ] = out.as_slice()
    else {
        panic!("{out:?}");
    };
}

#[test]
fn a_registration_is_answered_when_committed_and_then_brought_up_to_date() {
    let mut harness = Harness::active();
    let out = harness.register(0, 0, 1);
    let broker_epoch = BrokerEpoch(3);
    let formed = MetadataRecord::ClusterFormed { cluster: cluster() };
    let registered = MetadataRecord::BrokerRegistered {
        registration: registration(0, 1).into(),
    };
    let entries = vec![
        (MetadataOffset(1), vec![]),
        (MetadataOffset(2), vec![formed]),
        (MetadataOffset(3), vec![registered]),
    ];
    let suspects = BTreeSet::new();
    let expected = [
        to(0, ToBroker::Registered { broker_epoch }),
        to(0, ToBroker::Suspects { suspects }),
        to(0, ToBroker::Delta { entries }),
    ];
    assert_eq!(out, expected);
    assert!(harness.controller.brokers()[0].fenced);
}

#[test]
fn a_broker_is_unfenced_by_the_heartbeat_that_shows_that_it_knows_its_registration() {
    let mut harness = Harness::active();
    harness.register(0, 0, 1);
    let heartbeat = |applied| {
        ToController::Heartbeat(Heartbeat {
            sequence: 9,
            broker_epoch: BrokerEpoch(3),
            applied: MetadataOffset(applied),
            shards_are_live: true,
            wants_to_stop: false,
            refused_by: BTreeSet::new(),
        })
    };
    let answer = ToBroker::HeartbeatAnswer {
        sequence: 9,
        fenced: true,
        may_stop: false,
    };
    assert_eq!(harness.hear(0, heartbeat(2)), [to(0, answer.clone())]);
    let unfenced = MetadataRecord::BrokerUnfenced {
        broker: BrokerId(0),
        epoch: BrokerEpoch(3),
    };
    let entries = vec![(MetadataOffset(4), vec![unfenced])];
    let expected = [to(0, answer), to(0, ToBroker::Delta { entries })];
    assert_eq!(harness.hear(0, heartbeat(3)), expected);
}

#[test]
fn the_same_incarnation_on_a_new_link_keeps_its_epoch_and_the_old_link_is_closed() {
    let mut harness = Harness::with_brokers(1);
    harness.open(7, incarnation(0, 1));
    let applied = harness.controller.image().offset;
    let registration = Box::new(registration(0, 1));
    let out = harness.hear(
        7,
        ToController::Register {
            registration,
            applied,
        },
    );
    let broker_epoch = BrokerEpoch(3);
    let suspects = BTreeSet::new();
    let expected = [
        Command::CloseLink { link: LinkId(0) },
        to(7, ToBroker::Registered { broker_epoch }),
        to(7, ToBroker::Suspects { suspects }),
    ];
    assert_eq!(out, expected);
    // The closing of the old link says nothing about the broker.
    assert_eq!(harness.give(Event::LinkClosed { link: LinkId(0) }), []);
}

#[test]
fn a_broker_that_links_anew_is_told_that_nobody_is_suspected_whatever_it_was_told_before() {
    let mut harness = Harness::with_brokers(2);
    let out = harness.give(Event::LinkClosed { link: LinkId(1) });
    let suspects = BTreeSet::from([incarnation(1, 1)]);
    assert!(out.contains(&to(0, ToBroker::Suspects { suspects })));
    harness.give(Event::LinkClosed { link: LinkId(0) });
    // Nobody is linked while the suspicions end, so nobody hears of that.
    for broker in [1, 0] {
        let dial = DialId(2 - u64::try_from(broker).unwrap());
        let outcome = DialOutcome::Answered(incarnation(broker, 1));
        harness.give(Event::Dialled { dial, outcome });
    }
    let out = harness.register(7, 0, 1);
    let told = out.iter().filter_map(|command| match command {
        Command::ToBroker {
            message: ToBroker::Suspects { suspects },
            ..
        } => Some(suspects.len()),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [0], "{out:?}");
}

#[test]
fn a_stale_incarnation_gets_a_fatal_answer_and_a_higher_one_replaces_at_once() {
    let mut harness = Harness::with_brokers(1);
    harness.register(1, 0, 2);
    assert_eq!(harness.epoch(0), BrokerEpoch(5));
    let out = harness.register(2, 0, 1);
    let [
        Command::ToBroker {
            link: LinkId(2),
            message: ToBroker::Refused { fatal: true, .. },
        },
        Command::CloseLink { link: LinkId(2) },
    ] = out.as_slice()
    else {
        panic!("{out:?}");
    };
    assert_eq!(harness.epoch(0), BrokerEpoch(5));
}

#[test]
fn a_killed_broker_is_fenced_in_one_append_and_the_new_leaders_hear_it_first() {
    let mut harness = Harness::with_brokers(3);
    let token = 1;
    let request = create("t", 3, 3);
    harness.give(Event::Admin { token, request });
    harness.all_apply();
    let before = harness.controller.image().offset;
    let steps = kill(&mut harness, 0, 100);
    let suspects = |brokers: &[i32]| ToBroker::Suspects {
        suspects: brokers.iter().map(|b| incarnation(*b, 1)).collect(),
    };
    let dial = |dial| Command::Dial {
        dial: DialId(dial),
        endpoint: endpoint(9_000),
    };
    let told = |message: &ToBroker| [to(1, message.clone()), to(2, message.clone())];
    let [first, second] = told(&suspects(&[0]));
    assert_eq!(steps[0], [dial(1), first, second]);
    assert_eq!(steps[1], []);
    assert_eq!(steps[2], [dial(2)]);
    assert_eq!(harness.controller.image().offset, before.next());
    // One partition is led by each; one of the others takes over what broker 0 led.
    let sent = deltas(&steps[3]);
    // Nothing else: nobody is told that broker 0 is no suspect before it knows who leads now.
    assert_eq!((steps[3].len(), sent.len()), (3, 1), "{:?}", steps[3]);
    let dead = Observation::BrokerDead {
        incarnation: incarnation(0, 1),
        cause: DeathCause::Refused,
    };
    let fenced = Observation::BrokerFenced {
        broker: BrokerId(0),
        leaderships_moved: 1,
    };
    let observed = [Command::Observed(dead), Command::Observed(fenced)];
    assert_eq!(steps[3][..2], observed);
    let (new_leader, records) = &sent[0];
    assert!(matches!(records[0], MetadataRecord::BrokerFenced { .. }));
    let MetadataRecord::Partition { state, .. } = &records[1] else {
        panic!("{records:?}");
    };
    assert_eq!(
        state.leader,
        Some(BrokerId(i32::try_from(*new_leader).unwrap()))
    );
    assert_eq!(state.leader_epoch, LeaderEpoch(1));
    assert_eq!(records.len(), 4);
    assert!(harness.states().iter().all(|s| s.isr.len() == 2));
    // The others get it when the new leader has applied it.
    let offset = before.next();
    let out = harness.hear(*new_leader, ToController::Applied { offset });
    let other = 3 - *new_leader;
    assert_eq!(deltas(&out), [(other, records.clone())]);
    let broker = BrokerId(0);
    let moved = Command::Observed(Observation::LeadersMoved { broker });
    assert_eq!(out[0], moved);
}

#[test]
fn the_others_get_a_change_after_50_ms_even_if_its_new_leader_is_silent() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 3, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    let steps = kill(&mut harness, 0, 100);
    let first = deltas(&steps[3]);
    assert_eq!(first.len(), 1);
    assert_eq!(deltas(&harness.at(ms(161), Event::Wake)), []);
    let later = deltas(&harness.at(ms(162), Event::Wake));
    assert_eq!(later, [(3 - first[0].0, first[0].1.clone())]);
}
