//! Changes of the quorum's members.

use kintsugi_quorum::{ChangeError, MemberChange};
use kintsugi_types::{ControllerId, DirectoryId};
use uuid::Uuid;

use super::harness::{cluster, endpoint};
use super::quorum_of_three::Three;
use crate::message::controller::{Command, Event};
use crate::message::link::Hello;

fn answers(three: &mut Three) -> Vec<(u64, Result<(), ChangeError>)> {
    let given = three.given.drain(..);
    let answers = given.filter_map(|(_, command)| match command {
        Command::ChangeAnswer { token, answer } => Some((token, answer)),
        _ => None,
    });
    answers.collect()
}

fn remove(id: ControllerId) -> MemberChange {
    let directory = DirectoryId(Uuid::from_u128(u128::from(id.0.unsigned_abs())));
    MemberChange::Remove { id, directory }
}

#[test]
fn a_change_is_answered_when_it_is_committed_and_changes_who_is_connected() {
    let mut three = Three::new();
    let active = three.run_until_active();
    three.run_for(500);
    three.given.clear();
    let id = ControllerId(1_003);
    let change = MemberChange::Add {
        id,
        directory: DirectoryId(Uuid::from_u128(1_003)),
        endpoint: Some(endpoint(9_003)),
    };
    let token = 5;
    three.give(active, Event::ChangeMembers { token, change });
    let told = three
        .given
        .iter()
        .filter(|(_, c)| *c == Command::PeersChanged);
    assert_eq!(told.count(), 3, "each learns of it");
    assert_eq!(answers(&mut three), [(5, Ok(()))]);
    for controller in three.controllers.values() {
        assert_eq!(controller.peers()[&id], endpoint(9_003));
    }
}

#[test]
fn a_change_that_is_not_the_active_controllers_to_make_is_refused() {
    let mut three = Three::new();
    let active = three.run_until_active();
    three.run_for(500);
    let follower = *three.controllers.keys().find(|id| **id != active).unwrap();
    three.given.clear();
    let (token, change) = (6, remove(active));
    three.give(follower, Event::ChangeMembers { token, change });
    let leader = Some(active);
    let refused = Err(ChangeError::NotLeader { leader });
    assert_eq!(answers(&mut three), [(6, refused)]);
}

#[test]
fn an_active_controller_that_is_removed_answers_then_leaves() {
    let mut three = Three::new();
    let active = three.run_until_active();
    three.run_for(500);
    three.given.clear();
    let (token, change) = (7, remove(active));
    three.give(active, Event::ChangeMembers { token, change });
    assert_eq!(answers(&mut three), [(7, Ok(()))]);
    three.run_for(1_000);
    let next = three.active().unwrap();
    assert_ne!(next, active);
    assert_eq!(three.controllers[&next].membership().voters.len(), 2);
}

#[test]
fn a_member_is_looked_for_where_the_settings_say_whatever_an_earlier_run_of_it_told() {
    let mut three = Three::new();
    let active = three.run_until_active();
    let other = *three.controllers.keys().find(|id| **id != active).unwrap();
    let before = three.controllers[&active].peers();
    let hello = Hello::Controller {
        id: other,
        directory: DirectoryId(Uuid::from_u128(1)),
        cluster: cluster(),
        endpoint: endpoint(7_777),
        process: 1,
    };
    three.give(active, Event::PeerMet { hello });
    assert_eq!(three.controllers[&active].peers(), before);
    assert_ne!(before[&other], endpoint(7_777));
}
