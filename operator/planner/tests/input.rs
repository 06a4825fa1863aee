//! What cannot be a cluster is refused, and the error names the field.

mod support;

use kintsugi_planner::{
    BrokerState, ClusterInput, Goal, InputError, Limits, LoadUpdate, Model, PartitionId, PlanError,
    Profile, ProfileError, Resource, Scope, Thresholds, plan,
};
use support::{cluster, load, model, partition};

fn refused(change: impl FnOnce(&mut ClusterInput)) -> String {
    let mut input = cluster(
        3,
        vec![partition(0, &[0, 1], 1.0), partition(1, &[1, 2], 1.0)],
    );
    change(&mut input);
    Model::build(input)
        .expect_err("the cluster is unsound")
        .to_string()
}

#[test]
fn numbers_that_are_no_load_are_refused_by_name() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e19] {
        let error = refused(|input| input.partitions[1].leader_load.cpu = value);
        assert_eq!(
            error,
            format!(
                "partitions[1].leader_load.cpu is {value}; give a finite number from 0 to 1e18"
            )
        );
        let error = refused(|input| input.brokers[2].capacity.disk_bytes = value);
        assert!(
            error.starts_with("brokers[2].capacity.disk_bytes is "),
            "{error}"
        );
    }
}

#[test]
fn capacities_of_nothing_are_refused() {
    let error = refused(|input| input.brokers[0].capacity.network_in_bytes_per_second = 0.0);
    assert_eq!(
        error,
        "brokers[0].capacity.network_in_bytes_per_second is 0; give what the broker can carry, \
         above 0"
    );
}

#[test]
fn brokers_that_are_unknown_or_twice_there_are_refused() {
    let error = refused(|input| input.partitions[0].replicas[1] = 7);
    assert_eq!(
        error,
        "partitions[0].replicas[1] names broker 7, which is not among the brokers; list it, as \
         dead if it is gone"
    );
    let error = refused(|input| input.partitions[0].replicas[1] = 0);
    assert_eq!(
        error,
        "partitions[0].replicas[1] is broker 0, which is there already; give each once"
    );
    let error = refused(|input| input.brokers[1].id = 0);
    assert_eq!(
        error,
        "brokers[1].id is broker 0, which is there already; give each once"
    );
    let error = refused(|input| input.brokers[1].id = -1);
    assert_eq!(error, "brokers[1].id is -1; broker ids are 0 or more");
    let error = refused(|input| input.partitions[0].leader = Some(2));
    assert_eq!(
        error,
        "partitions[0].leader is broker 2, which has no replica of the partition"
    );
}

#[test]
fn racks_topics_and_lists_that_are_empty_are_refused() {
    let error = refused(|input| input.brokers[0].rack = Some(String::new()));
    assert!(error.starts_with("brokers[0].rack is empty; "), "{error}");
    let error = refused(|input| input.partitions[0].replicas.clear());
    assert!(
        error.starts_with("partitions[0].replicas is empty; "),
        "{error}"
    );
    let error = refused(|input| input.brokers.clear());
    assert!(error.starts_with("brokers is empty; "), "{error}");
    let error = refused(|input| input.topics[0].name.clear());
    assert!(error.starts_with("topics[0].name is empty; "), "{error}");
}

#[test]
fn topics_and_partitions_that_repeat_or_do_not_exist_are_refused() {
    let error = refused(|input| input.partitions[1].topic = 1);
    assert!(
        error.starts_with("partitions[1].topic is 1, but there are 1 topics"),
        "{error}"
    );
    let error = refused(|input| input.topics.push(input.topics[0].clone()));
    assert_eq!(
        error,
        "topics[1].name is orders, which is there already; give each once"
    );
    let error = refused(|input| input.partitions[1].number = 0);
    assert_eq!(
        error,
        "partitions[1].number is 0, which is there already; give each once"
    );
}

#[test]
fn more_replicas_than_are_supported_are_refused() {
    let input = cluster(
        12,
        vec![partition(0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 1.0)],
    );
    let error = Model::build(input)
        .expect_err("there are too many")
        .to_string();
    assert_eq!(
        error,
        "partitions[0].replicas is 11, at most 10 are supported"
    );
}

#[test]
fn updates_are_taken_whole_or_not_at_all() {
    let mut model = model(cluster(2, vec![partition(0, &[0, 1], 1.0)]));
    let update = |partition, cpu| LoadUpdate {
        partition: PartitionId(partition),
        leader_load: load(2.0, 1.0, 1.0, cpu),
        follower_load: load(2.0, 1.0, 1.0, 0.0),
    };
    let before = format!("{model:?}");
    let error = model
        .update_loads(&[update(0, 1.0), update(0, f64::NAN)])
        .expect_err("NaN");
    assert!(
        error
            .to_string()
            .starts_with("updates[1].leader_load.cpu is NaN"),
        "{error}"
    );
    let error = model
        .update_loads(&[update(0, 1.0), update(9, 1.0)])
        .expect_err("unknown");
    assert_eq!(
        error,
        InputError::UnknownPartition {
            field: "updates[1].partition".to_owned(),
            partition: 9,
            partitions: 1
        }
    );
    assert_eq!(format!("{model:?}"), before);
}

#[test]
fn goals_and_thresholds_that_contradict_each_other_are_refused() {
    let racks = vec![Goal::RackAware];
    let soft = vec![Goal::ReplicaDistribution];
    let defaults = Thresholds::default;
    assert_eq!(
        Profile::new(vec![racks.clone(), racks.clone()], defaults()),
        Err(ProfileError::Duplicate { goal: "RackAware" })
    );
    assert_eq!(
        Profile::new(vec![soft, racks], defaults()),
        Err(ProfileError::HardBelowSoft {
            hard: "RackAware",
            soft: "ReplicaDistribution"
        })
    );
    let wrong = Thresholds {
        usage_balance: [0.5, 1.1, 1.1, 1.1],
        ..defaults()
    };
    let error = Profile::cruise_control(wrong)
        .expect_err("below 1")
        .to_string();
    assert_eq!(
        error,
        "thresholds.usage_balance is 0.5; give a number from 1 to 1e6"
    );
    let wrong = Thresholds {
        margin: f64::NAN,
        ..defaults()
    };
    let error = Profile::cruise_control(wrong).expect_err("NaN").to_string();
    assert_eq!(
        error,
        "thresholds.margin is NaN; give a number above 0 and up to 1"
    );
    let wrong = Thresholds {
        topic_replica_min_gap: 50,
        ..defaults()
    };
    let error = Profile::cruise_control(wrong)
        .expect_err("crossed")
        .to_string();
    assert_eq!(
        error,
        "thresholds.topic_replica_min_gap is 50, above topic_replica_max_gap, which is 40"
    );
}

#[test]
fn scopes_and_rates_that_do_not_fit_are_refused() {
    let mut input = cluster(2, vec![partition(0, &[0], 1.0)]);
    input.brokers[1].state = BrokerState::Cordoned;
    let model = model(input);
    let profile = Profile::kintsugi(Thresholds::default()).expect("sound");
    let refused = |scope| plan(&model, &profile, &scope, &Limits::default()).expect_err("unfit");
    assert_eq!(
        refused(Scope::RemoveBrokers(vec![5])),
        PlanError::UnknownBroker { id: 5 }
    );
    assert_eq!(
        refused(Scope::AddBrokers(vec![1])),
        PlanError::TakesNoReplicas { id: 1 }
    );
    assert_eq!(refused(Scope::RemoveBrokers(vec![0])), PlanError::NoBrokers);
    assert_eq!(
        refused(Scope::MoveOutOfDisk(vec![5])),
        PlanError::UnknownBroker { id: 5 }
    );
    let mut limits = Limits::default();
    limits.rates.outbound_bytes_per_second = 0.0;
    let error = plan(&model, &profile, &Scope::Full, &limits).expect_err("no rate");
    assert_eq!(
        error.to_string(),
        "rates.outbound_bytes_per_second is 0; give a finite number above 0"
    );
}

#[test]
fn goals_that_cannot_be_met_say_why() {
    let mut input = cluster(
        3,
        vec![
            partition(0, &[0, 1, 2], 700.0),
            partition(1, &[0, 1], 700.0),
        ],
    );
    input.brokers[1].rack = Some("rack-0".to_owned());
    input.topics[0].min_leaders_per_broker = 1;
    let model = model(input);
    let profile = Profile::cruise_control(Thresholds::default()).expect("sound");
    let plan = plan(&model, &profile, &Scope::Full, &Limits::default()).expect("a plan");
    let why = |goal: Goal| {
        let outcome = plan
            .goals
            .iter()
            .find(|outcome| outcome.goal == goal)
            .expect("is there");
        outcome.unmet.clone().unwrap_or_default()
    };
    assert_eq!(
        why(Goal::RackAware),
        "partitions with 3 replicas need as many racks, and there are 2"
    );
    assert_eq!(
        why(Goal::MinTopicLeadersPerBroker),
        "topic orders has 2 partitions, but 1 on each of 3 brokers need more"
    );
    let disk = why(Goal::Capacity(Resource::Disk));
    assert!(
        disk.starts_with("disk_bytes is 3.758e12, above 0.8 of the 3.221e12"),
        "{disk}"
    );
    assert_eq!(why(Goal::Capacity(Resource::Cpu)), "");
}
