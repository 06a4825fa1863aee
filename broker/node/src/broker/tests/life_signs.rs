//! Answers to Metadata requests wait for a sign of life of each leader that they name.

use super::*;

const LIVES: DialOutcome = DialOutcome::Answered(Incarnation {
    broker: BrokerId(1),
    generation: Generation(1),
    start: StartCounter(1),
});

fn answered(fixture: &Fixture, token: u64, suspects: &[i32]) -> Command {
    let view = fixture.view(suspects);
    Command::AnswerMetadata { token, view }
}

/// Broker 1 is dead and fenced; this one leads its partition.
fn failed_over() -> Event {
    let fenced = MetadataRecord::BrokerFenced {
        broker: BrokerId(1),
        epoch: BrokerEpoch(2),
    };
    delta(4, vec![fenced, led_by(0, 0, 2)])
}

#[test]
fn a_leader_that_answers_is_named_at_once() {
    let mut fixture = Fixture::serving();
    assert_eq!(fixture.on(10, metadata(1)), [look(1)]);
    let answer = answered(&fixture, 1, &[]);
    assert_eq!(fixture.on(10, looked(1, LIVES)), [answer]);
    assert!(fixture.0.next_wake() > at(100), "nothing is asked again");
}

#[test]
fn a_leader_whose_process_is_dying_is_not_named_before_anything_speaks_against_it() {
    let mut fixture = Fixture::serving();
    // The client's connection was reset, but the control port is not closed yet: the kernel takes
    // the dial, and resets it when it comes to the port.
    assert_eq!(fixture.on(10, metadata(1)), [look(1)]);
    assert_eq!(fixture.on(13, looked(1, DialOutcome::Silent)), []);
    assert_eq!(fixture.0.next_wake(), at(15));
    assert_eq!(fixture.on(15, Event::Wake), [look(2)]);
    assert_eq!(fixture.on(16, looked(2, DialOutcome::Refused)), []);
    let commands = fixture.on(60, failed_over());
    let answer = answered(&fixture, 1, &[]);
    assert_eq!(commands[1..], [answer]);
}

#[test]
fn a_dial_that_began_before_the_request_confirms_nothing() {
    let mut fixture = Fixture::serving();
    fixture.on(10, metadata(1));
    // The second client asks after the leader answered, but before the answer is here.
    assert_eq!(fixture.on(11, metadata(2)), []);
    let first = answered(&fixture, 1, &[]);
    assert_eq!(fixture.on(12, looked(1, LIVES)), [first]);
    assert_eq!(fixture.on(15, Event::Wake), [look(2)]);
    assert_eq!(fixture.on(16, looked(2, DialOutcome::Silent)), []);
    let commands = fixture.on(60, failed_over());
    assert_eq!(commands[1..], [answered(&fixture, 2, &[])]);
}

#[test]
fn many_requests_cost_one_dial_each_five_milliseconds() {
    let mut fixture = Fixture::serving();
    let mut looks = 0;
    for millis in 0..100 {
        for token in 0..10 {
            let commands = fixture.on(100 + millis, metadata(millis * 10 + token));
            for command in commands {
                if let Command::Look { look, .. } = command {
                    looks += 1;
                    fixture.on(100 + millis, looked(look, LIVES));
                }
            }
        }
    }
    assert_eq!(looks, 20);
}

#[test]
fn a_leader_that_only_is_silent_is_named_after_the_hold_and_holds_up_nothing_for_a_while() {
    let mut fixture = Fixture::serving();
    assert_eq!(fixture.on(10, metadata(1)), [look(1)]);
    fixture.on(110, looked(1, DialOutcome::Silent));
    let named = answered(&fixture, 1, &[]);
    assert!(fixture.on(160, Event::Wake).contains(&named));
    let next = fixture.on(200, metadata(2));
    assert!(next.contains(&answered(&fixture, 2, &[])), "{next:?}");
    // After that, its life counts again.
    fixture.on(1_200, answer(3, false));
    let later = fixture.on(1_300, metadata(3));
    assert!(!later.contains(&answered(&fixture, 3, &[])), "{later:?}");
}

#[test]
fn answers_that_name_no_other_broker_wait_for_nothing() {
    let mut fixture = Fixture::serving();
    let topics = Some(vec!["unknown".parse().unwrap()]);
    let token = 1;
    let commands = fixture.on(10, Event::Metadata { token, topics });
    assert_eq!(commands, [answered(&fixture, 1, &[])]);
    fixture.on(20, failed_over());
    let commands = fixture.on(21, metadata(2));
    assert_eq!(commands, [answered(&fixture, 2, &[])]);
}

#[test]
fn another_incarnation_on_the_port_is_no_sign_of_life() {
    let mut fixture = Fixture::serving();
    fixture.on(10, metadata(1));
    let mut other = incarnation(1);
    other.start = StartCounter(2);
    assert_eq!(fixture.on(11, looked(1, DialOutcome::Answered(other))), []);
}
