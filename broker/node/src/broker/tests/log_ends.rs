use super::*;

fn asked(partitions: &[(PartitionId, LeaderEpoch)]) -> Event {
    let partitions = partitions.to_vec();
    Event::FromController(ToBroker::AskLogEnds { partitions })
}

fn end() -> LogEnd {
    LogEnd {
        partition: partition(0),
        leader_epoch: LeaderEpoch(2),
        last_epoch: LeaderEpoch(1),
        log_end: kintsugi_types::Offset(7),
    }
}

#[test]
fn log_ends_are_asked_of_the_shards_and_told_under_the_present_broker_epoch() {
    let mut fixture = Fixture::serving();
    let about = (partition(0), LeaderEpoch(2));
    let partitions = [about].into();
    assert_eq!(
        fixture.on(1, asked(&[about])),
        [Command::AskLogEnds { partitions }]
    );
    let ends = vec![end()];
    let broker_epoch = BrokerEpoch(1);
    let told = sent(ToController::LogEnds {
        broker_epoch,
        ends: ends.clone(),
    });
    assert_eq!(fixture.on(2, Event::LogEnds { ends }), [told]);
}

#[test]
fn log_ends_are_not_told_to_a_controller_that_did_not_ask() {
    let mut fixture = Fixture::serving();
    fixture.on(1, Event::LinkClosed);
    let ends = vec![end()];
    assert_eq!(fixture.on(2, Event::LogEnds { ends }), []);
}

#[test]
fn a_question_about_more_partitions_than_allowed_is_answered_in_part() {
    let mut fixture = Fixture::serving();
    let about = (partition(0), LeaderEpoch(2));
    let out = fixture.on(1, asked(&vec![about; LOG_ENDS_MAX + 1]));
    let [Command::AskLogEnds { partitions }] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!(partitions.len(), LOG_ENDS_MAX);
}
