//! Metadata lists a broker for a while after it stopped leading, then no more.

use super::*;

/// Whom Metadata lists to a client that asks now.
fn listed(fixture: &mut Fixture, millis: u64) -> Vec<i32> {
    let commands = fixture.on(millis, metadata(millis));
    let views = commands.iter().filter_map(|command| match command {
        Command::AnswerMetadata { token, view } if *token == millis => Some(view),
        _ => None,
    });
    let listed = views.flat_map(|view| view.listed.iter().map(|id| id.0));
    listed.collect()
}

fn fenced(id: i32, epoch: i64) -> MetadataRecord {
    MetadataRecord::BrokerFenced {
        broker: BrokerId(id),
        epoch: BrokerEpoch(epoch),
    }
}

fn stopping(id: i32, epoch: i64) -> MetadataRecord {
    MetadataRecord::BrokerStopping {
        broker: BrokerId(id),
        epoch: BrokerEpoch(epoch),
    }
}

#[test]
fn a_fenced_broker_is_listed_for_five_seconds() {
    let mut fixture = Fixture::serving();
    fixture.on(60, delta(4, vec![fenced(1, 2), led_by(0, 0, 2)]));
    assert_eq!(listed(&mut fixture, 60), [0, 1]);
    assert_eq!(listed(&mut fixture, 5_059), [0, 1]);
    assert_eq!(listed(&mut fixture, 5_060), [0]);
}

#[test]
fn a_broker_that_handed_over_is_forgotten_before_it_closes_its_connections_and_stays_so() {
    let mut fixture = Fixture::serving();
    fixture.on(60, delta(4, vec![stopping(1, 2), led_by(0, 0, 2)]));
    assert_eq!(listed(&mut fixture, 209), [0, 1]);
    assert_eq!(listed(&mut fixture, 210), [0]);
    fixture.on(300, delta(5, vec![fenced(1, 2)]));
    assert_eq!(listed(&mut fixture, 301), [0]);
}

#[test]
fn a_stopping_broker_is_listed_while_it_leads() {
    let mut fixture = Fixture::serving();
    fixture.on(60, delta(4, vec![led_by(0, 0, 2)]));
    fixture.on(70, delta(5, vec![stopping(0, 1)]));
    assert_eq!(listed(&mut fixture, 10_000), [0, 1]);
}

#[test]
fn where_nobody_else_lives_one_that_handed_over_is_listed() {
    let mut fixture = Fixture::serving();
    let nobody = MetadataRecord::TopicDeleted { topic: TOPIC };
    fixture.on(60, delta(4, vec![fenced(1, 2), stopping(0, 1), nobody]));
    assert_eq!(listed(&mut fixture, 1_000), [0, 1]);
    assert_eq!(listed(&mut fixture, 6_000), [0]);
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
    assert_eq!(listed(&mut fixture, 101), [0]);
    fixture.on(110, delta(6, vec![unfenced(1, 5)]));
    assert_eq!(listed(&mut fixture, 111), [0, 1]);
}

#[test]
fn a_broker_that_was_fenced_before_this_one_knew_of_it_is_not_listed() {
    let mut fixture = Fixture::serving();
    fixture.on(60, delta(4, vec![registered(2), led_by(0, 0, 2)]));
    assert_eq!(listed(&mut fixture, 61), [0, 1]);
}
