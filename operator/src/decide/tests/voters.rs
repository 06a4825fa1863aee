//! A controller that lost its volume becomes a voter again, step by step, whoever dies meanwhile.

use super::model::{Operator, World};
use super::*;
use crate::fixtures::{directory, membership};
use crate::observe::QuorumView;

const LOST: Member = Member {
    role: Role::Controller,
    id: 1001,
    generation: 1,
};
const NEXT: Member = Member {
    generation: 2,
    ..LOST
};

/// Controller 1001 has neither pod nor volume.
fn lost() -> Observed {
    let mut observed = formed();
    observed.pods.retain(|pod| pod.member != LOST);
    observed.volumes.retain(|volume| volume.member != LOST);
    quorum(&mut observed).answering = vec![1000, 1002];
    quorum(&mut observed).directories.remove(&LOST);
    with_objects(&cluster(), observed)
}

/// [`lost`], with the volume and pod of the next generation.
fn replaced() -> Observed {
    let mut observed = lost();
    let mut volume = volume(NEXT);
    volume.formed = false;
    observed.volumes.push(volume);
    observed.pods.push(pod(NEXT));
    quorum(&mut observed).answering = vec![1000, 1001, 1002];
    let answer = (NEXT, directory(NEXT));
    quorum(&mut observed).directories.extend([answer]);
    with_objects(&cluster(), observed)
}

fn quorum(observed: &mut Observed) -> &mut QuorumView {
    observed.quorum.as_mut().unwrap()
}

/// What is planned at once, without any memory.
fn plan_at_once(observed: &Observed) -> Vec<String> {
    plan(&cluster(), observed, &History::default(), at(0))
}

#[test]
fn a_lost_controller_volume_is_replaced_by_the_next_generation_once_there_is_evidence() {
    let planned = plan_at_once(&lost());
    assert_eq!(planned, ["announce Evidence/controller-1001"]);
    let history = evidence(&cluster(), &lost());
    let planned = plan(&cluster(), &lost(), &history, at(0));
    let created = [
        "create data-demo-controller-1001-2",
        "create demo-controller-1001-2",
    ];
    assert_eq!(planned, created);
    let status = status(&cluster(), &lost(), &history);
    assert_eq!(
        condition(&status, "Degraded").reason,
        "ControllerVolumeLost"
    );
    let lost = condition(&status, "QuorumLost").status;
    assert_eq!(lost, ConditionStatus::False);
}

#[test]
fn each_step_to_a_voter_follows_from_what_is_seen_alone() {
    let cluster = cluster();
    let mut observed = lost();
    let mut empty = volume(NEXT);
    empty.formed = false;
    observed.volumes.push(empty);
    assert_eq!(plan_at_once(&observed), ["create demo-controller-1001-2"]);

    let mut observed = replaced();
    assert_eq!(
        plan_at_once(&observed),
        ["announce Evidence/controller-1001"]
    );
    let history = evidence(&cluster, &observed);
    let planned = plan(&cluster, &observed, &history, at(0));
    assert_eq!(planned, ["remove controller 1001 of generation 1"]);

    membership(&mut observed).voters.remove(&1001);
    assert_eq!(
        plan_at_once(&observed),
        ["add controller 1001 of generation 2"]
    );

    membership(&mut observed).committed = false;
    assert_eq!(plan_at_once(&observed), [""; 0]);

    membership(&mut observed).committed = true;
    let learner = [(1001, Some(directory(NEXT)))];
    membership(&mut observed).learners.extend(learner);
    assert_eq!(plan_at_once(&observed), [""; 0]);
    let waiting = status(&cluster, &observed, &History::default());
    assert_eq!(condition(&waiting, "Ready").reason, "ControllerNotVoting");

    membership(&mut observed).learners.clear();
    membership(&mut observed).voters.extend(learner);
    let planned = plan_at_once(&observed);
    let settled = [
        "apply PodDisruptionBudget demo-controller",
        "change data-demo-controller-1001-2 quorum-formed",
    ];
    assert_eq!(planned, settled);
}

#[test]
fn a_replacement_that_is_lost_again_before_it_votes_is_replaced_too() {
    let mut observed = lost();
    membership(&mut observed).voters.remove(&1001);
    let learner = [(1001, Some(directory(NEXT)))];
    membership(&mut observed).learners.extend(learner);
    let history = evidence(&cluster(), &observed);
    let planned = plan(&cluster(), &observed, &history, at(0));
    // Nothing is left of generation 2, so its name is free.
    let created = [
        "create data-demo-controller-1001-2",
        "create demo-controller-1001-2",
    ];
    assert_eq!(planned, created);
    let third = Member {
        generation: 3,
        ..LOST
    };
    let mut going = volume(NEXT);
    going.terminating = true;
    observed.volumes.push(going);
    let history = evidence(&cluster(), &observed);
    let planned = plan(&cluster(), &observed, &history, at(0));
    assert_eq!(planned[0], "create data-demo-controller-1001-3");

    observed.volumes.push(volume(third));
    observed.pods.push(pod(third));
    let answer = (third, directory(third));
    quorum(&mut observed).directories.extend([answer]);
    let history = evidence(&cluster(), &observed);
    let planned = plan(&cluster(), &observed, &history, at(0));
    assert_eq!(planned, ["remove controller 1001 of generation 2"]);
}

/// The gate that holds back what `observed` calls for.
fn gate(cluster: &Cluster, observed: &Observed) -> Option<Gate> {
    let history = evidence(cluster, observed);
    let plan = decide(cluster, observed, None, &history, at(0));
    let of_controller = |closed: &&Closed| closed.subject == "controller-1001";
    plan.closed
        .iter()
        .find(of_controller)
        .map(|closed| closed.gate)
}

#[test]
fn each_gate_keeps_a_controllers_volume_and_directory_from_being_given_up() {
    for seen in [lost, replaced] {
        assert_eq!(gate(&cluster(), &seen()), None);

        let mut disabled = cluster();
        disabled.healing.enabled = false;
        assert_eq!(gate(&disabled, &seen()), Some(Gate::Pause));

        let mut observed = seen();
        quorum(&mut observed).behind = vec![1002];
        assert_eq!(gate(&cluster(), &observed), Some(Gate::QuorumHealth));

        let mut observed = seen();
        let silent = |member: &Member| member.id == 1002;
        quorum(&mut observed).directories.retain(|m, _| !silent(m));
        assert_eq!(gate(&cluster(), &observed), Some(Gate::QuorumHealth));

        let mut observed = seen();
        observed.pods[0].restart_for = Some("hash".to_owned());
        assert_eq!(gate(&cluster(), &observed), Some(Gate::OneDisruption));
    }
    let mut observed = lost();
    membership(&mut observed).voters.remove(&1001);
    membership(&mut observed).voters.remove(&1002);
    quorum(&mut observed).directories.clear();
    assert_eq!(gate(&cluster(), &observed), Some(Gate::QuorumHealth));

    let mut observed = replaced();
    let elsewhere = (LOST, directory(LOST));
    quorum(&mut observed).directories.extend([elsewhere]);
    assert_eq!(gate(&cluster(), &observed), Some(Gate::Evidence));
}

#[test]
fn without_an_active_controller_the_quorum_is_left_as_it_is() {
    for mut observed in [lost(), replaced()] {
        quorum(&mut observed).membership = None;
        let history = evidence(&cluster(), &observed);
        let acts = decide(&cluster(), &observed, None, &history, at(0)).commands;
        let is_act = |command: &Command| {
            matches!(
                command,
                Command::CreateVolume(_) | Command::RemoveVoter(_) | Command::AddVoter(_)
            )
        };
        assert!(!acts.iter().any(is_act));
    }
}

#[test]
fn a_claim_bound_to_storage_that_is_gone_is_lost_unless_a_pod_still_runs_on_it() {
    let mut observed = whole();
    observed.volumes[1].lost = true;
    let history = evidence(&cluster(), &observed);
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);

    let mut observed = lost();
    let mut claim = volume(LOST);
    claim.lost = true;
    observed.volumes.push(claim);
    let history = evidence(&cluster(), &observed);
    let planned = plan(&cluster(), &observed, &history, at(0));
    assert_eq!(planned[0], "create data-demo-controller-1001-2");
}

#[test]
fn an_empty_replacement_does_not_count_towards_a_majority_that_holds_data() {
    let mut observed = replaced();
    quorum(&mut observed).membership = None;
    let other = |member: &Member| member.id == 1002;
    observed.pods.retain(|pod| !other(&pod.member));
    observed.volumes.retain(|volume| !other(&volume.member));
    let history = evidence(&cluster(), &observed);
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);
    let status = status(&cluster(), &observed, &history);
    assert_eq!(status.phase, Some(Phase::QuorumLost));
    let message = &condition(&status, "QuorumLost").message;
    assert!(message.contains("[1002, 1001]"), "{message}");
}

#[test]
fn no_other_controller_is_restarted_while_one_does_not_vote() {
    let mut cluster = cluster();
    cluster.controllers.amounts.cpu_limit = "3".to_owned();
    let mut observed = replaced();
    membership(&mut observed).voters.remove(&1001);
    let history = evidence(&cluster, &observed);
    let plan = decide(&cluster, &observed, None, &history, at(0));
    let is_stop =
        |command: &Command| matches!(command, Command::MarkPod(_) | Command::DeletePod(_));
    assert!(!plan.commands.iter().any(is_stop));
}

/// Acts on nodes and the quorum, in words.
fn acts(commands: &[Command]) -> Vec<String> {
    let is_act = |word: &String| {
        ["create", "delete", "remove", "add", "grant"]
            .iter()
            .any(|verb| word.starts_with(verb))
    };
    commands.iter().filter_map(word).filter(is_act).collect()
}

const MENDING: [&str; 4] = [
    "create data-demo-controller-1001-2",
    "create demo-controller-1001-2",
    "remove controller 1001 of generation 1",
    "add controller 1001 of generation 2",
];

/// Mends for `ticks`, with an operator that dies after `life` commands and knows nothing then. Gives
/// all acts, and how many commands there were.
fn mend(world: &mut World, life: usize, wipes_status: bool) -> (Vec<String>, usize) {
    let mut operator = Operator::default();
    let (mut done, mut said) = (0, Vec::new());
    for _ in 0..40 {
        let mut plan = operator.look(world);
        let dies = done < life && done + plan.commands.len() >= life;
        if dies {
            plan.commands.truncate(life - done);
        }
        done += plan.commands.len();
        said.extend(acts(&plan.commands));
        operator.act(world, &plan);
        if dies {
            operator = Operator::default();
        }
        if wipes_status {
            operator.status = None;
        }
        world.tick();
        world.assert_safe();
    }
    (said, done)
}

#[test]
fn an_operator_that_dies_after_any_command_and_forgets_everything_mends_in_the_same_acts() {
    let mut life = 1;
    loop {
        let mut world = World::new();
        world.lose(LOST);
        let (said, done) = mend(&mut world, life, false);
        assert_eq!(said, MENDING, "after {life} commands");
        assert!(world.is_settled(), "after {life} commands");
        assert_eq!(world.quorum.voting(), [1000, 1001, 1002]);
        if life > done {
            break;
        }
        life += 1;
    }
    assert!(life > MENDING.len(), "only {life} commands");
}

#[test]
fn a_status_that_is_wiped_after_every_look_changes_no_act() {
    let mut world = World::new();
    world.lose(LOST);
    let (said, _) = mend(&mut world, usize::MAX, true);
    assert_eq!(said, MENDING);
    assert!(world.is_settled());
}

#[test]
fn a_second_volume_lost_before_the_first_votes_again_stops_everything() {
    let other = Member { id: 1002, ..LOST };
    let mut world = World::new();
    world.lose(LOST);
    let mut operator = Operator::default();
    world.run(&mut operator, 5);
    assert!(world.observed.pod(NEXT).is_some());
    world.lose(other);
    for _ in 0..20 {
        let plan = operator.look(&world);
        assert_eq!(acts(&plan.commands), [""; 0]);
        operator.act(&mut world, &plan);
        world.tick();
    }
    let status = operator.status.unwrap();
    assert_eq!(status.phase, Some(Phase::QuorumLost));
}
