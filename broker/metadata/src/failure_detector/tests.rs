use super::*;
use crate::image::Delta;
use crate::record::{BrokerRegistration, MetadataRecord};
use kintsugi_types::{BootId, BrokerEpoch, DirectoryId, Generation, MetadataOffset, StartCounter};
use std::sync::Arc;
use uuid::Uuid;

fn incarnation(broker: i32) -> Incarnation {
    Incarnation {
        broker: BrokerId(broker),
        generation: Generation(1),
        start: StartCounter(1),
    }
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        host: "10.0.0.1".to_owned(),
        port,
    }
}

fn image(brokers: i32) -> Image {
    let mut image = Image::default();
    for broker in 0..brokers {
        let port = u16::try_from(9_000 + broker).unwrap();
        let registration = Arc::new(BrokerRegistration {
            incarnation: incarnation(broker),
            directories: vec![DirectoryId(Uuid::from_u128(1))],
            boot: BootId(Uuid::from_u128(1)),
            rack: None,
            client_endpoint: endpoint(1),
            replication_endpoint: endpoint(2),
            control_endpoint: endpoint(port),
            shards: 1,
            clean_stop_epoch: None,
            recovered_to_checkpoint: false,
        });
        let record = MetadataRecord::BrokerRestored {
            registration,
            epoch: BrokerEpoch(i64::from(broker) + 1),
            fenced: false,
            stopping: false,
        };
        image.apply(MetadataOffset(9), &[record], &mut Delta::default());
    }
    image
}

fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// A detector of so many brokers, all linked, that have sent one heartbeat each at 0 ms.
fn watching(brokers: i32) -> FailureDetector {
    let mut detector = FailureDetector::new(DetectorConfig::default(), 1);
    let mut verdicts = Vec::new();
    detector.watch(ms(0), &image(brokers), &|_| true, &mut verdicts);
    assert_eq!(verdicts, []);
    detector
}

fn dial(dial: u64, broker: u16) -> Verdict {
    let endpoint = endpoint(9_000 + broker);
    Verdict::Dial { dial, endpoint }
}

fn suspects(brokers: &[i32]) -> Verdict {
    Verdict::Suspects(brokers.iter().map(|broker| incarnation(*broker)).collect())
}

fn dead(broker: i32, cause: DeathCause) -> Verdict {
    Verdict::Dead {
        incarnation: incarnation(broker),
        epoch: BrokerEpoch(i64::from(broker) + 1),
        cause,
    }
}

fn collect(act: impl FnOnce(&mut Vec<Verdict>)) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    act(&mut verdicts);
    verdicts
}

/// Wakes the detector whenever it asks for it, up to this moment.
fn run_until(detector: &mut FailureDetector, until: Time) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    while detector.next_wake() < until {
        let at = detector.next_wake();
        detector.wake(at, &mut verdicts);
    }
    detector.wake(until, &mut verdicts);
    verdicts
}

#[test]
fn a_closed_link_and_two_refusals_ten_milliseconds_apart_are_death() {
    let mut detector = watching(3);
    let closed = collect(|out| detector.link_closed(ms(50), incarnation(0), out));
    assert_eq!(closed, [dial(1, 0), suspects(&[0])]);
    let first = collect(|out| detector.dialled(ms(51), 1, DialFinding::Refused, out));
    assert_eq!(first, []);
    assert_eq!(detector.next_wake(), ms(61));
    assert_eq!(collect(|out| detector.wake(ms(60), out)), []);
    assert_eq!(collect(|out| detector.wake(ms(61), out)), [dial(2, 0)]);
    let second = collect(|out| detector.dialled(ms(62), 2, DialFinding::Refused, out));
    assert_eq!(second, [dead(0, DeathCause::Refused)]);
    let again = collect(|out| detector.dialled(ms(63), 2, DialFinding::Refused, out));
    assert_eq!(again, []);
}

#[test]
fn another_incarnation_at_the_port_is_death() {
    let mut detector = watching(3);
    collect(|out| detector.link_closed(ms(50), incarnation(0), out));
    let mut other = incarnation(0);
    other.start = StartCounter(2);
    let verdicts = collect(|out| detector.dialled(ms(51), 1, DialFinding::Answered(other), out));
    assert_eq!(verdicts, [dead(0, DeathCause::Replaced)]);
}

#[test]
fn a_broker_that_answers_is_alive_until_its_session_ends_without_a_heartbeat() {
    let mut detector = watching(3);
    collect(|out| detector.link_closed(ms(50), incarnation(0), out));
    let answered = DialFinding::Answered(incarnation(0));
    let verdicts = collect(|out| detector.dialled(ms(51), 1, answered, out));
    assert_eq!(verdicts, [suspects(&[])]);
    for other in [1, 2] {
        for beat in 1..10 {
            collect(|out| detector.heartbeat(ms(150 * beat), incarnation(other), out));
        }
    }
    let ends = collect(|out| detector.wake(ms(1_500), out));
    assert!(
        ends.contains(&dead(0, DeathCause::SessionExpired)),
        "{ends:?}"
    );
}

#[test]
fn silence_beyond_the_rhythm_is_suspicion_and_a_dial_but_not_death() {
    let mut detector = watching(1);
    for beat in 1..20 {
        let verdicts = collect(|out| detector.heartbeat(ms(150 * beat), incarnation(0), out));
        assert_eq!(verdicts, []);
    }
    let wake = detector.next_wake();
    assert!((ms(3_200)..ms(3_400)).contains(&wake), "{wake}");
    let verdicts = collect(|out| detector.wake(wake, out));
    assert_eq!(verdicts, [dial(1, 0), suspects(&[0])]);
    let back = collect(|out| detector.heartbeat(ms(3_500), incarnation(0), out));
    assert_eq!(back, [suspects(&[])]);
}

#[test]
fn refusals_by_more_than_half_within_a_second_are_suspicion_only() {
    let mut detector = watching(3);
    for (index, broker) in [0, 1].into_iter().enumerate() {
        let at = 50 + 20 * u64::try_from(index).unwrap();
        collect(|out| detector.link_closed(ms(at), incarnation(broker), out));
        let first = detector.next_dial() - 1;
        collect(|out| detector.dialled(ms(at), first, DialFinding::Refused, out));
        collect(|out| detector.wake(ms(at + 10), out));
        let second = detector.next_dial() - 1;
        let verdicts =
            collect(|out| detector.dialled(ms(at + 11), second, DialFinding::Refused, out));
        let expected = if broker == 0 {
            vec![dead(0, DeathCause::Refused)]
        } else {
            Vec::new()
        };
        assert_eq!(verdicts, expected, "broker {broker}");
    }
    let ends = run_until(&mut detector, ms(1_500));
    assert!(
        ends.contains(&dead(1, DeathCause::SessionExpired)),
        "{ends:?}"
    );
}

#[test]
fn one_broker_of_three_that_dies_returns_and_dies_within_a_second_is_dead_both_times() {
    let mut detector = watching(3);
    let dies = |detector: &mut FailureDetector, at: u64, who: Incarnation, first: u64| {
        collect(|out| {
            detector.link_closed(ms(at), who, out);
            detector.dialled(ms(at + 1), first, DialFinding::Refused, out);
            detector.wake(ms(at + 11), out);
            detector.dialled(ms(at + 12), first + 1, DialFinding::Refused, out);
        })
    };
    let verdicts = dies(&mut detector, 50, incarnation(0), 1);
    assert!(verdicts.contains(&dead(0, DeathCause::Refused)));
    let mut image = image(3);
    let mut returned = incarnation(0);
    returned.start = StartCounter(2);
    let mut registration = image.brokers[&BrokerId(0)].registration.as_ref().clone();
    registration.incarnation = returned;
    let fenced = |fenced, offset, image: &mut Image| {
        let record = MetadataRecord::BrokerRestored {
            registration: Arc::new(registration.clone()),
            epoch: BrokerEpoch(7),
            fenced,
            stopping: false,
        };
        image.apply(MetadataOffset(offset), &[record], &mut Delta::default());
    };
    fenced(true, 10, &mut image);
    collect(|out| detector.watch(ms(70), &image, &|_| true, out));
    fenced(false, 11, &mut image);
    collect(|out| detector.watch(ms(300), &image, &|_| true, out));
    let verdicts = dies(&mut detector, 400, returned, 3);
    let is_dead = |verdict: &Verdict| matches!(verdict, Verdict::Dead { incarnation, .. } if *incarnation == returned);
    assert!(verdicts.iter().any(is_dead), "{verdicts:?}");
}

#[test]
fn a_new_controller_dials_whoever_has_no_link_and_waits_a_session_for_the_silent() {
    let mut detector = FailureDetector::new(DetectorConfig::default(), 7);
    let verdicts = collect(|out| detector.watch(ms(10_000), &image(2), &|_| false, out));
    assert_eq!(verdicts, [dial(7, 0), dial(8, 1)]);
    let answered = DialFinding::Answered(incarnation(0));
    assert_eq!(
        collect(|out| detector.dialled(ms(10_001), 7, answered, out)),
        []
    );
    let silent = collect(|out| detector.dialled(ms(10_001), 8, DialFinding::Silent, out));
    assert_eq!(silent, [suspects(&[1])]);
    let before = run_until(&mut detector, ms(11_499));
    assert!(!before.iter().any(|v| matches!(v, Verdict::Dead { .. })));
    let after = run_until(&mut detector, ms(11_500));
    assert!(after.contains(&dead(1, DeathCause::SessionExpired)));
}

#[test]
fn what_another_broker_reports_starts_a_dial_at_once() {
    let mut detector = watching(3);
    let verdicts = collect(|out| detector.reported(ms(20), incarnation(2), out));
    assert_eq!(verdicts, [dial(1, 2), suspects(&[2])]);
    let answered = DialFinding::Answered(incarnation(2));
    let verdicts = collect(|out| detector.dialled(ms(21), 1, answered, out));
    assert_eq!(verdicts, [suspects(&[])]);
    let mut stale = incarnation(2);
    stale.start = StartCounter(0);
    let verdicts = collect(|out| detector.reported(ms(22), stale, out));
    assert_eq!(verdicts, []);
}

#[test]
fn a_fenced_suspect_stays_one_until_everyone_has_learned_of_the_new_leaders() {
    let mut detector = watching(3);
    collect(|out| detector.link_closed(ms(50), incarnation(0), out));
    collect(|out| detector.dialled(ms(51), 1, DialFinding::Refused, out));
    collect(|out| detector.wake(ms(61), out));
    collect(|out| detector.dialled(ms(62), 2, DialFinding::Refused, out));
    let mut fenced = image(3);
    let record = MetadataRecord::BrokerFenced {
        broker: BrokerId(0),
        epoch: BrokerEpoch(1),
    };
    fenced.apply(MetadataOffset(10), &[record], &mut Delta::default());
    let verdicts = collect(|out| detector.watch(ms(70), &fenced, &|_| true, out));
    assert_eq!(verdicts, []);
    for beat in 1..8 {
        for other in [1, 2] {
            let verdicts =
                collect(|out| detector.heartbeat(ms(150 * beat), incarnation(other), out));
            assert_eq!(verdicts, [], "{beat}");
        }
    }
    assert_eq!(
        collect(|out| detector.wake(ms(1_070), out)),
        [suspects(&[])]
    );
}

#[test]
fn a_detector_that_slept_gives_everyone_a_new_session() {
    let mut detector = watching(2);
    let verdicts = collect(|out| detector.wake(ms(60_000), out));
    assert_eq!(verdicts, []);
    let mut late = Vec::new();
    while detector.next_wake() < ms(61_499) {
        let at = detector.next_wake();
        detector.wake(at, &mut late);
    }
    assert!(
        !late.iter().any(|v| matches!(v, Verdict::Dead { .. })),
        "{late:?}"
    );
    let verdicts = collect(|out| detector.wake(ms(61_500), out));
    assert!(
        verdicts.contains(&dead(0, DeathCause::SessionExpired)),
        "{verdicts:?}"
    );
}
