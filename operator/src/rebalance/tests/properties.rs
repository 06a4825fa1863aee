//! Operators die between any two acts, statuses are wiped, brokers tell what was a moment ago: what
//! is begun is still ended or taken back.

use kintsugi_crds::RebalancePhase;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::plan::Command;
use super::world::World;
use super::{phase, progress};

/// What happens to a rebalance under way.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A look of which only so many acts are carried out; then the operator is another one.
    Death(usize),
    /// A look.
    Look,
    /// A look by what the broker knew before the last one.
    LateLook,
    /// So many moves come to their end.
    End(usize),
    /// The status is wiped.
    Wiped,
    /// People pause it, or go on.
    Paused(bool),
    /// People take the annotation off, or say so.
    Said(Option<&'static str>),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0_usize..7).prop_map(Happening::Death),
        6 => Just(Happening::Look),
        2 => Just(Happening::LateLook),
        3 => (1_usize..4).prop_map(Happening::End),
        1 => Just(Happening::Wiped),
        1 => any::<bool>().prop_map(Happening::Paused),
        2 => prop_oneof![
            Just(None), Just(Some("approve")), Just(Some("approve")), Just(Some("stop")),
            Just(Some("refresh"))
        ].prop_map(Happening::Said),
    ]
}

/// Carries a history out.
fn live(world: &mut World, history: &[Happening]) {
    let mut before = world.observed.clone();
    for happening in history {
        match happening {
            Happening::Death(acts) => {
                let plan = world.plan_of(&world.observed.clone());
                before = world.observed.clone();
                for command in plan.commands.iter().take(*acts) {
                    world.apply(command);
                }
                world.held = None;
            }
            Happening::Look => {
                before = world.observed.clone();
                world.look();
            }
            Happening::LateLook => {
                let plan = world.plan_of(&before);
                before = world.observed.clone();
                for command in &plan.commands {
                    world.apply(command);
                }
                world.held = plan.held;
                world.seconds += 1;
            }
            Happening::End(count) => world.complete(*count),
            Happening::Wiped => world.resource.status = None,
            Happening::Paused(paused) => world.resource.spec.paused = *paused,
            Happening::Said(word) => world.say(*word),
        }
    }
}

/// The specs that histories are lived with.
fn specs() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"scope": "AddBrokers", "brokers": [3]})),
        Just(json!({"scope": "RemoveBrokers", "brokers": [1]})),
        Just(json!({"scope": "Full", "profile": "CruiseControl"})),
        Just(json!({"scope": "Leaders", "goals": ["LeaderReplicaDistribution"]})),
    ]
}

fn approved(spec: Value) -> World {
    let mut world = World::new(4, spec);
    world.say(Some("approve"));
    world
}

/// Histories in which nobody takes back what was begun, and brokers tell what is.
fn onward() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0_usize..7).prop_map(Happening::Death),
        6 => Just(Happening::Look),
        3 => (1_usize..4).prop_map(Happening::End),
        1 => Just(Happening::Wiped),
        1 => any::<bool>().prop_map(Happening::Paused),
    ]
}

/// What a look writes of progress is what is there when it begins.
fn assert_told(world: &mut World) {
    let live = world.snapshot().moving.len();
    let plan = world.plan_of(&world.observed.clone());
    let statuses = plan.commands.iter().filter_map(|command| match command {
        Command::WriteStatus(status) => status.progress.as_ref(),
        _ => None,
    });
    for told in statuses {
        assert_eq!(told.moves_in_flight, i64::try_from(live).unwrap());
        assert!(told.moves_left >= told.moves_in_flight, "{told:?}");
        assert!(told.moves_total >= told.moves_left, "{told:?}");
        assert_eq!(told.bytes_total, told.bytes_moved + told.bytes_left);
    }
}

proptest! {
    #[test]
    fn progress_is_what_was_moved_and_is_in_flight_whoever_began_it(
        spec in specs(), history in prop::collection::vec(onward(), 0..40)
    ) {
        let mut world = approved(spec);
        for at in 0..history.len() {
            assert_told(&mut world);
            live(&mut world, &history[at..=at]);
        }
        world.resource.spec.paused = false;
        // One that ended in the middle of a look may have had its last status kept from it.
        let had_ended = world.rebalance().marks.ended;
        world.settle();
        prop_assert_eq!(phase(&world), RebalancePhase::Completed);
        if !had_ended {
            let told = progress(&world);
            prop_assert_eq!(told.moves_left, 0);
            prop_assert_eq!(told.bytes_moved, world.copied);
        }
    }

    #[test]
    fn a_stop_at_any_moment_leaves_nothing_in_flight(
        spec in specs(), history in prop::collection::vec(happening(), 0..40)
    ) {
        let mut world = approved(spec);
        live(&mut world, &history);
        world.say(Some("stop"));
        world.held = None;
        for _ in 0..4 {
            world.look();
        }
        world.assert_clean();
    }

    #[test]
    fn whatever_happened_an_approved_rebalance_comes_to_its_end(
        spec in specs(), history in prop::collection::vec(happening(), 0..40)
    ) {
        let mut world = approved(spec);
        live(&mut world, &history);
        world.resource.spec.paused = false;
        world.say(Some("refresh"));
        world.look();
        world.say(Some("approve"));
        world.settle();
        prop_assert_eq!(phase(&world), RebalancePhase::Completed);
        world.assert_clean();
        if world.rebalance().leaving().contains(&1) {
            prop_assert_eq!(world.replicas_on(1), 0);
        }
    }

    #[test]
    fn replicas_are_never_fewer_than_before(
        spec in specs(), history in prop::collection::vec(happening(), 0..40)
    ) {
        let mut world = approved(spec);
        for at in 0..history.len() {
            live(&mut world, &history[at..=at]);
            for partition in world.snapshot().cluster.partitions.values() {
                prop_assert!(partition.replicas.len() >= 2, "{:?}", partition);
            }
        }
    }
}
