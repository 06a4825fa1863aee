//! One controller's disk hangs: the others' are a majority, so nothing waits for it.

use kintsugi_types::{BrokerId, ControllerId};

use super::quorum_of_three::Three;
use crate::message::controller::{Command, DialOutcome, Event, LinkId};

/// How long a dead broker's fencing may take, in milliseconds: its two refused dials and one round
/// of the quorum.
const FENCED_WITHIN_MS: u64 = 40;

/// Kills broker 0, and tells after how many milliseconds every controller but those whose disk
/// hangs knows it fenced.
fn fencing_ms(three: &mut Three, active: ControllerId) -> u64 {
    three.given.clear();
    three.give(active, Event::LinkClosed { link: LinkId(0) });
    for passed in (0..1_000).step_by(5) {
        let refused: Vec<_> = three.given.drain(..).collect();
        for (controller, command) in refused {
            if let Command::Dial { dial, .. } = command {
                let outcome = DialOutcome::Refused;
                three.give(controller, Event::Dialled { dial, outcome });
            }
        }
        if !three.controllers[&active].image().is_unfenced(BrokerId(0)) {
            return passed;
        }
        three.run_for(5);
    }
    panic!("broker 0 was not fenced within a second");
}

fn three_with_brokers() -> (Three, ControllerId) {
    let mut three = Three::new();
    let active = three.run_until_active();
    for broker in 0..2 {
        let link = u64::try_from(broker).unwrap();
        three.register(active, link, broker);
        three.heartbeat(active, link, broker);
    }
    three.run_for(100);
    (three, active)
}

#[test]
fn a_slow_disk_of_any_one_controller_does_not_slow_the_fencing_of_a_dead_broker() {
    let (mut whole, active) = three_with_brokers();
    let usual = fencing_ms(&mut whole, active);
    assert!(usual <= FENCED_WITHIN_MS, "{usual} ms");
    for slow in whole.controllers.keys() {
        let (mut three, active) = three_with_brokers();
        three.held.insert(*slow);
        // Long enough for everything that waits on that disk to pile up.
        three.run_for(2_000);
        for link in 0..2 {
            three.heartbeat(active, link, i32::try_from(link).unwrap());
        }
        assert_eq!(fencing_ms(&mut three, active), usual, "slow: {slow}");
        assert_eq!(three.active(), Some(active), "nobody else was elected");
    }
}
