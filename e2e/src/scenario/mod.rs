//! Scenarios: what goes wrong, and what must hold afterwards. One file a scenario.
//!
//! Guarantees: each declares what it needs of the cluster, begins by checking a clean baseline, runs
//! under the verifying load, and ends by healing, by reading everything back, and by comparing every
//! replica's files where this host has them. Assumes an installed operator and an applied
//! KafkaCluster (the first scenario, `form`, applies it).

pub mod autoscale;
pub mod bad_image;
pub mod balance;
pub mod baseline;
pub mod beside;
pub mod chart_lifecycle;
pub mod delete_pod;
pub mod disks;
pub mod environment;
pub mod form;
pub mod grow;
pub mod hpa;
pub mod kill_controller;
pub mod kill_leader;
pub mod learned_kept;
pub mod lost_controller_volume;
pub mod memory;
pub mod move_out_of_disk;
pub mod need;
pub mod oom_killed;
pub mod operator_killed;
pub mod own_topic;
pub mod partition_growth;
pub mod pending;
pub mod rebalance;
pub mod rebalance_operator_killed;
pub mod rolling_restart;
pub mod secret_replaced;
pub mod sent_load;
pub mod shrink;
pub mod status_wiped;
pub mod stopped_rollout;
pub mod storage_growth;
pub mod summary;
pub mod topic;
pub mod two_operators;
pub mod under_load;
pub mod watched;

use environment::Environment;
use need::Need;

/// One scenario: its name, what it shows, what it needs, and how to run it.
pub struct Scenario {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub shows: &'static str,
    /// What must be there for it to be run.
    pub needs: &'static [Need],
    /// Runs it.
    pub run: fn(&mut Environment) -> anyhow::Result<()>,
}

/// What every scenario under load needs.
const ON_PODS: &[Need] = &[Need::Operator, Need::PodNetwork];
/// What those need that kill or freeze processes.
const WITH_SIGNALS: &[Need] = &[Need::Operator, Need::PodNetwork, Need::Signals];
/// What those need that change the operator's release.
const WITH_HELM: &[Need] = &[Need::Operator, Need::PodNetwork, Need::Helm];

/// What those need that change volumes and their class.
const WITH_VOLUMES: &[Need] = &[Need::Operator, Need::PodNetwork, Need::Volumes];

/// What those need that have Kubernetes measure the brokers.
const WITH_METRICS: &[Need] = &[Need::Operator, Need::PodNetwork, Need::MetricsApi];

/// The first of every set: the others need its cluster.
const FORM: Scenario = Scenario {
    name: "form",
    shows: "an applied KafkaCluster becomes Ready, and a bad one is refused in words",
    needs: &[Need::Operator],
    run: form::run,
};

/// All scenarios, in the order in which they run.
pub const ALL: &[Scenario] = &[
    FORM,
    Scenario {
        name: "kill-leader",
        shows: "kill -9 of the broker that leads most, five times: nothing acknowledged is lost",
        needs: WITH_SIGNALS,
        run: kill_leader::run_five,
    },
    Scenario {
        name: "kill-controller",
        shows: "kill -9 of the active controller: another takes over, producers do not notice",
        needs: WITH_SIGNALS,
        run: kill_controller::run,
    },
    Scenario {
        name: "lost-controller-volume",
        shows: "a controller's pod and volume are deleted: a new one takes its place among the voters",
        needs: WITH_SIGNALS,
        run: lost_controller_volume::run,
    },
    Scenario {
        name: "delete-pod",
        shows: "a deleted broker pod hands over, comes back on its volume and catches up",
        needs: ON_PODS,
        run: delete_pod::run,
    },
    Scenario {
        name: "operator-killed",
        shows: "the operator dies while a broker's pod is deleted, and still replaces it",
        needs: WITH_SIGNALS,
        run: operator_killed::run,
    },
    Scenario {
        name: "topic",
        shows: "KafkaTopics are created, grown, changed, adopted and deleted, though the operator dies",
        needs: WITH_SIGNALS,
        run: topic::run,
    },
    Scenario {
        name: "partition-growth",
        shows: "topics that ask get partitions by throughput and by lag, once; one that does not ask gets none",
        needs: ON_PODS,
        run: partition_growth::run,
    },
    Scenario {
        name: "rolling-restart",
        shows: "a change of spec.config restarts every node, one at a time; no send fails",
        needs: ON_PODS,
        run: rolling_restart::run,
    },
    Scenario {
        name: "two-operators",
        shows: "the operator that acts is frozen between deciding and acting: nothing is disrupted twice",
        needs: WITH_SIGNALS,
        run: two_operators::run,
    },
    Scenario {
        name: "bad-image",
        shows: "an image that cannot be pulled stops a rollout after its first pod; reverting heals",
        needs: ON_PODS,
        run: bad_image::run,
    },
    Scenario {
        name: "pending",
        shows: "a pod that no node has room for stops a rollout after its first pod; reverting heals",
        needs: ON_PODS,
        run: pending::run,
    },
    Scenario {
        name: "oom-killed",
        shows: "a memory limit that is too low stops a rollout after its first pod; reverting heals",
        needs: ON_PODS,
        run: oom_killed::run,
    },
    Scenario {
        name: "chart-lifecycle",
        shows: "the chart is upgraded, uninstalled and installed again, then the KafkaCluster: data and load go on",
        needs: WITH_HELM,
        run: chart_lifecycle::run,
    },
    Scenario {
        name: "secret-replaced",
        shows: "the nodes' Secret is lost with the operator: the next one makes another, and a new pod joins by it",
        needs: WITH_HELM,
        run: secret_replaced::run,
    },
    Scenario {
        name: "grow",
        shows: "a fourth broker joins and receives replicas of new topics",
        needs: ON_PODS,
        run: grow::run,
    },
    Scenario {
        name: "status-wiped",
        shows: "the status is wiped at every step of growing and of a rolling restart: the end is the same",
        needs: ON_PODS,
        run: status_wiped::run,
    },
    Scenario {
        name: "rebalance",
        shows: "a broker joins and gets its share once a proposal is approved, then gives it away again",
        needs: ON_PODS,
        run: rebalance::run,
    },
    Scenario {
        name: "move-out-of-disk",
        shows: "two disks that are fuller than the third are relieved of what they have too much, and of no more",
        needs: ON_PODS,
        run: move_out_of_disk::run,
    },
    Scenario {
        name: "rebalance-operator-killed",
        shows: "the operator is killed three times while replicas move, and the status wiped: the next goes on, and leaves nothing behind",
        needs: WITH_SIGNALS,
        run: rebalance_operator_killed::run,
    },
    Scenario {
        name: "shrink",
        shows: "brokers are emptied, stopped and unregistered until three are left; no send fails",
        needs: ON_PODS,
        run: shrink::run,
    },
    Scenario {
        name: "balance",
        shows: "load heaped on two of three brokers is evened out by the operator, once, without being asked",
        needs: ON_PODS,
        run: balance::run,
    },
    Scenario {
        name: "autoscale",
        shows: "load has a fourth broker join and carry its share; without the load it leaves again",
        needs: ON_PODS,
        run: autoscale::run,
    },
    Scenario {
        name: "learned-kept",
        shows: "the operator is stopped, killed, and what it has learned damaged: the next goes on, or begins anew and says so",
        needs: WITH_SIGNALS,
        run: learned_kept::run,
    },
    Scenario {
        name: "storage-growth",
        shows: "real bytes fill volumes: claims grow where the class lets them, up to maxSize, and it is told where that does not do",
        needs: WITH_VOLUMES,
        run: storage_growth::run,
    },
    Scenario {
        name: "hpa",
        shows: "a HorizontalPodAutoscaler has a fourth broker join by processor time, and leave when load is gone",
        needs: WITH_METRICS,
        run: hpa::run,
    },
];

/// The smoke test: the main job in a few minutes.
pub const SMOKE: &[Scenario] = &[
    FORM,
    Scenario {
        name: "kill-leader-once",
        shows: "kill -9 of the broker that leads most: nothing acknowledged is lost",
        needs: WITH_SIGNALS,
        run: kill_leader::run_once,
    },
];
