//! Metadata lists a broker for a while after it stopped leading, then no more.

use super::*;

/// Whom Metadata lists though they are gone, where this broker leads the only partition.
fn lingering(fixture: &mut Fixture, millis: u64) -> Vec<i32> {
    let commands = fixture.on(millis, metadata(millis));
    let views = commands.iter().filter_map(|command| match command {
        Command::AnswerMetadata { token, view } if *token == millis => Some(view),
        _ => None,
    });
    let lingering = views.flat_map(|view| view.lingering.iter().map(|id| id.0));
    lingering.collect()
}

const NOBODY: [i32; 0] = [];

fn fenced(id: i32, epoch: i64) -> MetadataRecord {
    MetadataRecord::BrokerFenced {
        broker: BrokerId(id),
        epoch: BrokerEpoch(epoch),
    }
}

#[test]
fn a_fenced_broker_is_listed_for_five_seconds() {
    let mut fixture = Fixture::serving();
    assert_eq!(lingering(&mut fixture, 50), NOBODY);
    fixture.on(60, delta(4, vec![fenced(1, 2), led_by(0, 0, 2)]));
    assert_eq!(lingering(&mut fixture, 60), [1]);
    assert_eq!(lingering(&mut fixture, 5_059), [1]);
    assert_eq!(lingering(&mut fixture, 5_060), NOBODY);
}

#[test]
fn a_broker_that_handed_over_is_forgotten_before_it_closes_its_connections_and_stays_so() {
    let mut fixture = Fixture::serving();
    let stopping = MetadataRecord::BrokerStopping {
        broker: BrokerId(1),
        epoch: BrokerEpoch(2),
    };
    fixture.on(60, delta(4, vec![stopping, led_by(0, 0, 2)]));
    assert_eq!(lingering(&mut fixture, 209), [1]);
    assert_eq!(lingering(&mut fixture, 210), NOBODY);
    fixture.on(300, delta(5, vec![fenced(1, 2)]));
    assert_eq!(lingering(&mut fixture, 301), NOBODY);
}

#[test]
fn a_broker_that_came_back_is_not_listed_before_it_serves() {
    let mut fixture = Fixture::serving();
    fixture.on(60, delta(4, vec![fenced(1, 2), led_by(0, 0, 2)]));
    let mut again = registration(1);
    again.incarnation.start = StartCounter(2);
    let registered = MetadataRecord::BrokerRegistered {
        registration: Arc::new(again),
    };
    fixture.on(100, delta(5, vec![registered]));
    assert_eq!(lingering(&mut fixture, 101), NOBODY);
}

#[test]
fn a_broker_that_was_fenced_before_this_one_knew_of_it_is_not_listed() {
    let mut fixture = Fixture::serving();
    fixture.on(60, delta(4, vec![registered(2), led_by(0, 0, 2)]));
    assert_eq!(lingering(&mut fixture, 61), NOBODY);
}
