//! Blocks of producer ids, and who gets them.

use kintsugi_types::ProducerId;

use super::*;
use crate::message::link::ProducerIdBlock;

fn block(first: i64, count: i64) -> AdminAnswer {
    let first = ProducerId(first);
    AdminAnswer::ProducerIds(ProducerIdBlock { first, count })
}

fn blocks_answer(answer: AdminAnswer) -> Event {
    let request_id = 0;
    Event::FromController(ToBroker::AdminAnswer { request_id, answer })
}

fn ask_for_block() -> Command {
    Command::ToController(ToController::Admin {
        request_id: 0,
        request: AdminRequest::AllocateProducerIds,
    })
}

fn wants_id(token: u64) -> Event {
    let deadline = at(10_000);
    Event::ProducerId { token, deadline }
}

fn gets_id(token: u64, id: i64) -> Command {
    let result = Ok(ProducerId(id));
    Command::AnswerProducerId { token, result }
}

#[test]
fn producer_ids_come_in_blocks_and_the_next_block_before_the_last_id() {
    let mut fixture = Fixture::serving();
    assert_eq!(fixture.on(1, wants_id(1)), [ask_for_block()]);
    assert_eq!(fixture.on(1, wants_id(2)), []);
    let commands = fixture.on(2, blocks_answer(block(5_000, 102)));
    assert_eq!(commands, [gets_id(1, 5_000), gets_id(2, 5_001)]);
    assert_eq!(
        fixture.on(3, wants_id(3)),
        [gets_id(3, 5_002), ask_for_block()]
    );
    for id in 5_003..5_102 {
        assert_eq!(fixture.on(3, wants_id(4)), [gets_id(4, id)]);
    }
    assert_eq!(fixture.on(3, wants_id(5)), []);
    let commands = fixture.on(4, blocks_answer(block(9_000, 1_000)));
    assert_eq!(commands, [gets_id(5, 9_000)]);
}

#[test]
fn a_block_is_asked_for_again_when_no_answer_came_and_a_late_one_is_kept() {
    let mut fixture = Fixture::serving();
    fixture.on(1, wants_id(1));
    fixture.on(140, answer(3, false));
    let refused = AdminAnswer::NotDecided(ErrorCode::ThrottlingQuotaExceeded);
    assert_eq!(fixture.on(140, blocks_answer(refused)), []);
    assert_eq!(fixture.0.next_wake(), at(150));
    let again = fixture.on(190, Event::Wake);
    assert!(again.contains(&ask_for_block()), "{again:?}");
    // On a new link it is asked for once more; then both answers come.
    fixture.on(195, Event::LinkClosed);
    fixture.on(250, Event::Wake);
    fixture.on(255, Event::LinkOpened);
    let broker_epoch = BrokerEpoch(1);
    let registered = Event::FromController(ToBroker::Registered { broker_epoch });
    let again = fixture.on(260, registered);
    assert!(again.contains(&ask_for_block()), "{again:?}");
    assert_eq!(
        fixture.on(261, blocks_answer(block(0, 1))),
        [gets_id(1, 0), ask_for_block()]
    );
    assert_eq!(fixture.on(262, blocks_answer(block(1, 200))), []);
    assert_eq!(fixture.on(263, wants_id(2)), [gets_id(2, 1)]);
}

#[test]
fn a_producer_is_told_to_ask_again_when_no_id_came_in_time() {
    let mut fixture = Fixture::new();
    let deadline = at(30);
    let commands = fixture.on(1, Event::ProducerId { token: 1, deadline });
    let is_about_ids = |c: &Command| matches!(c, Command::AnswerProducerId { .. });
    assert!(!commands.iter().any(is_about_ids));
    let commands = fixture.on(30, Event::Wake);
    let result = Err(ErrorCode::CoordinatorLoadInProgress);
    let refused = Command::AnswerProducerId { token: 1, result };
    assert!(commands.contains(&refused), "{commands:?}");
}
