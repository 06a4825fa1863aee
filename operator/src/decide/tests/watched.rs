//! Templates that let pods become ready and end them soon after.

use super::model::{Operator, World};
use super::rollout::{ROLL_TICKS, holds, restarted_first};
use super::*;
use crate::observe::{PodTrouble, TroubleKind};

#[test]
fn a_template_that_is_killed_for_memory_again_and_again_stops_a_rollout_even_between_two_kills() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.cluster.brokers.amounts.memory_limit = "12Mi".to_owned();
    while world.stopped.is_empty() || !world.down().is_empty() {
        world.run(&mut operator, 1);
    }
    let name = restarted_first(&world).name.clone();
    let uid = restarted_first(&world).uid.clone();
    for round in 0..10 {
        for seconds in 0..20 {
            let now = at(world.now);
            let pods = &mut world.observed.pods;
            let pod = pods.iter_mut().find(|pod| pod.name == name).unwrap();
            // The kubelet waits, starts it, and it serves for a while.
            pod.ready = seconds > 12;
            let (since, exit_code) = (at(0), 137);
            pod.state = match pod.ready {
                true => PodState::Running,
                false => PodState::CrashLoop { since, exit_code },
            };
            pod.trouble = Some(PodTrouble {
                kind: TroubleKind::OomKilled,
                reason: "OOMKilled".to_owned(),
                detail: "exit code 137".to_owned(),
                ended: Some(now),
            });
            let plan = operator.look(&world);
            operator.act(&mut world, &plan);
            world.now += 1;
        }
        assert_eq!(world.stopped, [name.as_str()], "round {round}");
        assert_eq!(restarted_first(&world).uid, uid, "round {round}");
    }
    let stopped = holds(&operator, "RolloutStopped");
    assert_eq!(stopped.as_deref(), Some("OOMKilled"));
}

#[test]
fn the_first_pod_of_a_role_is_watched_before_the_second_is_restarted() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.cluster.brokers.amounts.memory_limit = "12Mi".to_owned();
    let mut stopped_at = Vec::new();
    while !world.is_settled() {
        let before = world.stopped.len();
        world.run(&mut operator, 1);
        stopped_at.extend((world.stopped.len() > before).then_some(world.now));
    }
    let waited: Vec<i64> = stopped_at.windows(2).map(|two| two[1] - two[0]).collect();
    let watched = crate::decide::rollout::WATCHED.as_secs();
    assert_eq!(waited.len(), 2);
    assert!(waited[0] >= watched, "{waited:?}");
    assert!(waited[1] < watched, "{waited:?}: only the first is watched");
}

#[test]
fn a_template_that_ends_its_pods_soon_after_they_are_ready_stops_a_rollout_after_its_first_pod() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.cluster.brokers.amounts.memory_limit = "12Mi".to_owned();
    while world.stopped.is_empty() || !world.down().is_empty() {
        world.run(&mut operator, 1);
    }
    // It is ready, in sync, and will be killed in a moment.
    world.run(&mut operator, 10);
    assert_eq!(world.stopped, ["demo-broker-0-1"]);
    let now = at(world.now);
    let pods = &mut world.observed.pods;
    let pod = pods.iter_mut().find(|pod| pod.member.id == 0).unwrap();
    pod.trouble = Some(PodTrouble {
        kind: TroubleKind::OomKilled,
        reason: "OOMKilled".to_owned(),
        detail: "exit code 137".to_owned(),
        ended: Some(now),
    });
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(world.stopped, ["demo-broker-0-1"]);
    let volume = world.observed.volumes.iter().find(|v| v.member.id == 0);
    let last_good = volume.unwrap().last_good.clone().unwrap();
    assert_ne!(last_good.amounts.memory_limit, "12Mi");
}
