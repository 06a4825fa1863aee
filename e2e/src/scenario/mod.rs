//! Scenarios: what goes wrong, and what must hold afterwards. One file a scenario.
//!
//! Guarantees: each begins by checking a clean baseline, runs under the verifying load, and ends
//! by healing, by reading everything back, and by comparing every replica's files. Assumes an
//! installed operator and an applied KafkaCluster (the first scenario, `form`, applies it).

pub mod bad_image;
pub mod baseline;
pub mod delete_pod;
pub mod environment;
pub mod form;
pub mod grow;
pub mod kill_controller;
pub mod kill_leader;
pub mod lost_controller_volume;
pub mod memory;
pub mod operator_killed;
pub mod rolling_restart;
pub mod topic;
pub mod under_load;

use environment::Environment;

/// One scenario: its name, what it shows, and how to run it.
pub struct Scenario {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub shows: &'static str,
    /// Runs it.
    pub run: fn(&mut Environment) -> anyhow::Result<()>,
}

/// The first of every set: the others need its cluster.
const FORM: Scenario = Scenario {
    name: "form",
    shows: "an applied KafkaCluster becomes Ready, and a bad one is refused in words",
    run: form::run,
};

/// All scenarios, in the order in which they run.
pub const ALL: &[Scenario] = &[
    FORM,
    Scenario {
        name: "kill-leader",
        shows: "kill -9 of the broker that leads most, five times: nothing acknowledged is lost",
        run: kill_leader::run_five,
    },
    Scenario {
        name: "kill-controller",
        shows: "kill -9 of the active controller: another takes over, producers do not notice",
        run: kill_controller::run,
    },
    Scenario {
        name: "lost-controller-volume",
        shows: "a controller's pod and volume are deleted: a new one takes its place among the voters",
        run: lost_controller_volume::run,
    },
    Scenario {
        name: "delete-pod",
        shows: "a deleted broker pod hands over, comes back on its volume and catches up",
        run: delete_pod::run,
    },
    Scenario {
        name: "operator-killed",
        shows: "the operator dies while a broker's pod is deleted, and still replaces it",
        run: operator_killed::run,
    },
    Scenario {
        name: "topic",
        shows: "KafkaTopics are created, grown, changed, adopted and deleted, though the operator dies",
        run: topic::run,
    },
    Scenario {
        name: "rolling-restart",
        shows: "a change of spec.config restarts every node, one at a time; no send fails",
        run: rolling_restart::run,
    },
    Scenario {
        name: "bad-image",
        shows: "an image that cannot be pulled stops a rollout after its first pod; reverting heals",
        run: bad_image::run,
    },
    Scenario {
        name: "grow",
        shows: "a fourth broker joins and receives replicas of new topics",
        run: grow::run,
    },
];

/// The smoke test: the main job in a few minutes.
pub const SMOKE: &[Scenario] = &[
    FORM,
    Scenario {
        name: "kill-leader-once",
        shows: "kill -9 of the broker that leads most: nothing acknowledged is lost",
        run: kill_leader::run_once,
    },
];
