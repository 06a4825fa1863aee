//! A Kubernetes and a Kafka quorum in a few lines: they carry out commands, refuse stale ones as an
//! API server does, and let time pass. Every partition has three copies.

use std::collections::BTreeMap;

use kintsugi_forecast::Sample;

use super::balancer_model::BalancerModel;
use super::quorum_model::QuorumModel;
use super::*;
use crate::names::{
    FORMED_ANNOTATION, REMOVAL_ANNOTATION, REPLACEMENTS_ANNOTATION, ZONE_ANNOTATION,
};
use crate::observe::{BrokerView, ObservedPod, ObservedSecret, PodTrouble, Removal, TroubleKind};
use crate::plan::VolumeChange;
use crate::scale::{State, step};
use crate::size::size_in_force;

/// Ticks from creation to ready, from deletion to gone, from ready to in sync.
const START_TICKS: i64 = 3;
const STOP_TICKS: i64 = 2;
const SYNC_TICKS: i64 = 2;
/// The image that no node can pull.
pub const BAD_IMAGE: &str = "kintsugi/broker:none";

pub struct World {
    pub cluster: Cluster,
    pub observed: Observed,
    pub now: i64,
    /// Pods that were deleted while they served, in order.
    pub stopped: Vec<String>,
    /// Whether the API server refuses new pods.
    pub refuses: bool,
    pub quorum: QuorumModel,
    /// Where replicas are, and what moves them.
    pub balancer: BalancerModel,
    /// What is measured of the load, where the cluster is scaled by it.
    pub measured: Option<Sample>,
    versions: u64,
    served: BTreeSet<Member>,
    since: BTreeMap<String, i64>,
}

/// One operator process: what it remembers.
#[derive(Default)]
pub struct Operator {
    pub history: History,
    pub status: Option<KafkaClusterStatus>,
    scale: State,
}

impl Operator {
    pub fn look(&mut self, world: &World) -> Plan {
        let (cluster, observed) = (&self.sized(world), &world.observed);
        let now = at(world.now);
        self.history.remember_secret(&observed.secret);
        self.history
            .record(&suspicions(cluster, observed, now), now);
        let written = self.status.as_ref();
        let plan = decide(cluster, observed, written, &self.history, now);
        self.history.remember_closed(&plan.closed);
        plan
    }

    /// The cluster with its size, as `reconcile` and `validate` have it.
    fn sized(&mut self, world: &World) -> Cluster {
        let (mut cluster, observed) = (world.cluster.clone(), &world.observed);
        let Some(autoscaling) = cluster.autoscaling.clone() else {
            return cluster;
        };
        let status = self.status.as_ref();
        let written = status.and_then(|status| status.autoscaling.clone());
        let written = written.or_else(|| self.scale.last().cloned());
        let start = cluster.brokers.replicas;
        cluster.brokers.replicas =
            size_in_force(Some(&autoscaling), start, written.as_ref(), observed);
        cluster.autoscaling_written = written;
        let (measured, now) = (world.measured, at(world.now));
        let sizing = step(
            &mut self.scale,
            &cluster,
            &autoscaling,
            observed,
            measured,
            now,
        );
        cluster.sizing = Some(sizing);
        cluster
    }

    /// As `act` does: the first failure ends the acts, but not the status.
    pub fn act(&mut self, world: &mut World, plan: &Plan) {
        let mut stopped = false;
        for command in &plan.commands {
            if let Command::WriteStatus(status) = command {
                self.status = Some((**status).clone());
            } else if !stopped && world.carry_out(command).is_err() {
                stopped = !command.is_independent();
                if matches!(command, Command::RehearsePod(_)) {
                    self.history.refusal = Some(crate::history::Refusal {
                        generation: world.cluster.generation,
                        at: at(world.now),
                        message: "quota".to_owned(),
                    });
                }
            }
        }
    }
}

impl World {
    /// A whole cluster of `cluster`.
    pub fn new() -> Self {
        let mut world = Self {
            cluster: cluster(),
            observed: whole(),
            now: 0,
            stopped: Vec::new(),
            refuses: false,
            quorum: QuorumModel::of(&whole()),
            balancer: BalancerModel::default(),
            measured: None,
            versions: 1,
            served: members().into_iter().collect(),
            since: BTreeMap::new(),
        };
        world.tick();
        world
    }

    /// Looks and acts with `operator` for `ticks`, one look a tick.
    pub fn run(&mut self, operator: &mut Operator, ticks: usize) {
        for _ in 0..ticks {
            let plan = operator.look(self);
            operator.act(self, &plan);
            self.tick();
            self.assert_safe();
        }
    }

    /// Nodes that have served and do not now.
    pub fn down(&self) -> Vec<String> {
        let is_ready = |member: &&Member| {
            let pod = self.observed.pod(**member);
            pod.is_some_and(|pod| pod.ready)
        };
        let down = self.served.iter().filter(|member| !is_ready(member));
        down.map(|member| member.pod_name("demo")).collect()
    }

    pub fn assert_safe(&self) {
        let down = self.down();
        assert!(
            down.len() <= 1,
            "at {}: {down:?} are down at once",
            self.now
        );
        for isr in self.in_sync_sets() {
            assert!(isr.len() >= 2, "at {}: only {isr:?} is in sync", self.now);
        }
    }

    /// Whether every node is ready and runs what `cluster` asks for.
    pub fn is_settled(&self) -> bool {
        let wanted = |pod: &ObservedPod| {
            let volume = self
                .observed
                .volumes
                .iter()
                .find(|v| v.member == pod.member);
            let zone = volume.and_then(|volume| volume.zone.as_deref());
            crate::build::pod::template_hash(&self.cluster, pod.member, zone)
        };
        let pods = &self.observed.pods;
        let count = usize::try_from(self.cluster.brokers.replicas).unwrap() + 3;
        pods.len() == count
            && pods
                .iter()
                .all(|pod| pod.ready && pod.restart_for.is_none())
            && pods.iter().all(|pod| pod.template_hash == wanted(pod))
    }

    pub fn tick(&mut self) {
        self.now += 1;
        let now = self.now;
        let since = &self.since;
        let age = |pod: &ObservedPod| now - since.get(&pod.uid).copied().unwrap_or(i64::MIN / 2);
        self.observed
            .pods
            .retain(|pod| !pod.is_terminating() || age(pod) < STOP_TICKS);
        for pod in &mut self.observed.pods {
            let starts = matches!(pod.state, PodState::Pending { .. });
            if starts && age(pod) >= START_TICKS && pod.trouble.is_none() {
                self.versions += 1;
                pod.resource_version = self.versions.to_string();
                (pod.state, pod.ready) = (PodState::Running, true);
                pod.ready_since = Some(at(now));
                // A later generation serves in the former one's stead.
                let (role, id) = (pod.member.role, pod.member.id);
                self.served
                    .retain(|other| (other.role, other.id) != (role, id));
                self.served.insert(pod.member);
            }
        }
        let serving = self.serving();
        self.balancer.tick(&mut self.observed, &serving, now);
        self.observe_quorum();
    }

    /// Ids of brokers whose pod is ready.
    fn serving(&self) -> Vec<i32> {
        let brokers = self.observed.pods.iter();
        let ready = brokers.filter(|pod| pod.member.role == Role::Broker && pod.ready);
        ready.map(|pod| pod.member.id).collect()
    }

    fn observe_quorum(&mut self) {
        let pods = &self.observed.pods;
        let ready = |role| {
            let of_role = pods
                .iter()
                .filter(move |p| p.member.role == role && p.ready);
            of_role.map(|pod| pod.member.id).collect::<Vec<i32>>()
        };
        let (answering, serving) = (ready(Role::Controller), ready(Role::Broker));
        let controllers = pods
            .iter()
            .filter(|pod| pod.member.role == Role::Controller);
        let running = controllers.filter(|pod| pod.ready).map(|pod| pod.member);
        self.quorum.starts(running);
        let isrs = self.in_sync_sets();
        let known: BTreeSet<i32> = self
            .observed
            .registered()
            .into_iter()
            .flatten()
            .map(|(id, _)| *id)
            .chain(serving.iter().copied())
            .collect();
        let replicas = &self.balancer.replicas;
        let brokers = known.iter().map(|id| {
            let of = || {
                replicas
                    .iter()
                    .zip(&isrs)
                    .filter(|(replicas, _)| replicas.contains(id))
            };
            let count = |n: usize| Some(u32::try_from(n).unwrap());
            let view = BrokerView {
                fenced: !serving.contains(id),
                cordoned: self.balancer.cordoned.contains(id),
                replicas: count(of().count()),
                lagging: count(of().filter(|(_, isr)| !isr.contains(id)).count()),
                needed: count(
                    of().filter(|(_, isr)| isr.contains(id) && isr.len() <= 2)
                        .count(),
                ),
                ..broker(*id)
            };
            (*id, view)
        });
        let brokers: BTreeMap<i32, BrokerView> = brokers.collect();
        let quorum = self.observed.quorum.get_or_insert_default();
        let voting = self.quorum.voting();
        let leader = quorum.leader.filter(|leader| voting.contains(leader));
        quorum.leader = leader.or(voting.first().copied());
        let is_active = self.quorum.is_active();
        quorum.directories = self.quorum.live.clone();
        quorum.membership = is_active.then(|| self.quorum.members.clone());
        quorum.brokers = is_active.then_some(brokers);
        quorum.answering = answering;
        let hurt = isrs.iter().filter(|isr| isr.len() < 3).count();
        quorum.partitions = is_active.then(|| crate::observe::Partitions {
            total: u32::try_from(isrs.len()).unwrap(),
            under_replicated: u32::try_from(hurt).unwrap(),
            at_min_isr: Some(u32::try_from(hurt).unwrap()),
            replicas_max: Some(3),
            ..Default::default()
        });
    }

    fn in_sync_sets(&self) -> Vec<Vec<i32>> {
        let synced = |id: &i32| {
            self.observed.pods.iter().any(|pod| {
                let born = self.since.get(&pod.uid).copied().unwrap_or(i64::MIN / 2);
                (pod.member.role, pod.member.id) == (Role::Broker, *id)
                    && pod.ready
                    && self.now - born >= START_TICKS + SYNC_TICKS
            })
        };
        let sets = self.balancer.replicas.iter();
        sets.map(|replicas| replicas.iter().copied().filter(synced).collect())
            .collect()
    }

    fn carry_out(&mut self, command: &Command) -> Result<(), ()> {
        self.versions += 1;
        let version = self.versions.to_string();
        match command {
            Command::Apply(object) => {
                let value = object.to_value();
                let same = |other: &serde_json::Value| {
                    other["kind"] == value["kind"]
                        && other["metadata"]["name"] == value["metadata"]["name"]
                };
                self.observed.objects.retain(|other| !same(other));
                self.observed.objects.push(value);
            }
            Command::CreateSecret(creation) => {
                if self.observed.secret != ObservedSecret::Absent {
                    return Err(());
                }
                let keys = creation.keys.clone().unwrap_or_else(crate::fixtures::keys);
                self.observed.secret = ObservedSecret::Present(keys);
            }
            Command::CreateVolume(claim) => self.create_volume(claim, version)?,
            Command::CreatePod(pod) => self.create_pod(pod, version)?,
            Command::ChangeVolume(change) => self.change_volume(change, version)?,
            Command::RehearsePod(_) if self.refuses => return Err(()),
            Command::MarkPod(mark) => {
                let pod = self.unchanged(&mark.uid, &mark.resource_version)?;
                pod.restart_for.clone_from(&mark.restart_for);
                pod.resource_version = version;
            }
            Command::DeletePod(deletion) => {
                let now = self.now;
                self.assert_nothing_is_lost(&deletion.uid);
                let pod = self.unchanged(&deletion.uid, &deletion.resource_version)?;
                let (uid, was_ready) = (pod.uid.clone(), pod.ready);
                (pod.state, pod.ready) = (PodState::Terminating, false);
                pod.resource_version = version;
                if was_ready {
                    self.stopped.push(deletion.name.clone());
                }
                self.since.insert(uid, now);
            }
            Command::DeleteConfigMap { name, .. } | Command::DeleteNetworkPolicy { name, .. } => {
                let objects = &mut self.observed.objects;
                objects.retain(|object| object["metadata"]["name"] != **name);
            }
            Command::RemoveVoter(change) => self.quorum.remove(change)?,
            Command::AddVoter(change) => self.quorum.add(change)?,
            Command::Unregister(change) => self.unregister(change.broker)?,
            Command::DeleteVolume(one) => {
                let volumes = &mut self.observed.volumes;
                let same = |volume: &crate::observe::ObservedVolume| {
                    (&volume.uid, &volume.resource_version) == (&one.uid, &one.resource_version)
                };
                let place = volumes.iter().position(same).ok_or(())?;
                volumes.remove(place);
            }
            Command::Cordon(_)
            | Command::Uncordon(_)
            | Command::CreateRebalance(_)
            | Command::StopRebalance(_)
            | Command::DeleteRebalance(_) => {
                self.balancer
                    .carry_out(&mut self.observed, command, version, at(self.now))?;
            }
            Command::RehearsePod(_)
            | Command::GrantGeneration { .. }
            | Command::Announce(_)
            | Command::WriteStatus(_) => {}
        }
        Ok(())
    }

    /// A pod whose broker is removed must be empty.
    fn assert_nothing_is_lost(&self, uid: &str) {
        let pods = &self.observed.pods;
        let pod = pods.iter().find(|pod| pod.uid == uid);
        let removed = pod.filter(|pod| {
            pod.member.role == Role::Broker
                && self.observed.removal(pod.member.id) == Some(Removal::Drained)
        });
        if let Some(pod) = removed {
            let names = |replicas: &&Vec<i32>| replicas.contains(&pod.member.id);
            let named = self.balancer.replicas.iter().filter(names).count();
            assert_eq!(named, 0, "at {}: {} is not empty", self.now, pod.name);
        }
    }

    /// As the quorum does: only a broker that is dead and holds nothing.
    fn unregister(&mut self, id: i32) -> Result<(), ()> {
        let quorum = self.observed.quorum.as_mut().ok_or(())?;
        let brokers = quorum.brokers.as_mut().ok_or(())?;
        let broker = brokers.get(&id).ok_or(())?;
        if !broker.fenced || self.balancer.replicas.iter().any(|all| all.contains(&id)) {
            return Err(());
        }
        brokers.remove(&id);
        self.balancer.cordoned.remove(&id);
        let is_other = |member: &Member| (member.role, member.id) != (Role::Broker, id);
        self.served.retain(is_other);
        Ok(())
    }

    /// The pod and the volume of `member` are gone, for good.
    pub fn lose(&mut self, member: Member) {
        self.observed.pods.retain(|pod| pod.member != member);
        let volumes = &mut self.observed.volumes;
        volumes.retain(|volume| volume.member != member);
        self.tick();
    }

    fn unchanged(&mut self, uid: &str, version: &str) -> Result<&mut ObservedPod, ()> {
        let pods = &mut self.observed.pods;
        let pod = pods.iter_mut().find(|pod| pod.uid == uid).ok_or(())?;
        if pod.resource_version != version || pod.is_terminating() {
            return Err(());
        }
        Ok(pod)
    }

    fn create_pod(
        &mut self,
        pod: &k8s_openapi::api::core::v1::Pod,
        version: String,
    ) -> Result<(), ()> {
        let mut pod = pod.clone();
        pod.metadata.uid = Some(format!("uid-{version}"));
        pod.metadata.resource_version = Some(version);
        let image = pod.spec.as_ref().unwrap().containers[0]
            .image
            .clone()
            .unwrap();
        let mut pod = ObservedPod::from_pod(&pod).unwrap();
        if self.observed.pod(pod.member).is_some() {
            return Err(());
        }
        pod.ip = Some("10.0.0.9".to_owned());
        if image == BAD_IMAGE {
            pod.trouble = Some(PodTrouble {
                kind: TroubleKind::ImagePull,
                reason: "ImagePullBackOff".to_owned(),
                detail: image,
                ended: None,
            });
        }
        self.since.insert(pod.uid.clone(), self.now);
        self.observed.pods.push(pod);
        Ok(())
    }

    fn create_volume(
        &mut self,
        claim: &k8s_openapi::api::core::v1::PersistentVolumeClaim,
        version: String,
    ) -> Result<(), ()> {
        let metadata = &claim.metadata;
        let member = Member::from_labels(metadata.labels.as_ref().unwrap()).unwrap();
        if self.observed.volumes.iter().any(|v| v.member == member) {
            return Err(());
        }
        let mut made = volume(member);
        made.zone = metadata
            .annotations
            .as_ref()
            .unwrap()
            .get(ZONE_ANNOTATION)
            .cloned();
        (made.formed, made.resource_version) = (false, version);
        self.observed.volumes.push(made);
        Ok(())
    }

    fn change_volume(&mut self, change: &VolumeChange, version: String) -> Result<(), ()> {
        let volumes = &mut self.observed.volumes;
        let volume = volumes.iter_mut().find(|v| v.uid == change.uid).ok_or(())?;
        if volume.resource_version != change.resource_version {
            return Err(());
        }
        volume.resource_version = version;
        let value = |key| change.annotations.get(key).and_then(Option::as_deref);
        if let Some(text) = value(crate::names::LAST_GOOD_ANNOTATION) {
            volume.last_good = crate::template::Template::parse(text);
        }
        if let Some(removal) = change.annotations.get(REMOVAL_ANNOTATION) {
            volume.removal = removal.as_deref().map(|text| match text {
                "draining" => Removal::Draining,
                "drained" => Removal::Drained,
                other => panic!("{other}"),
            });
        }
        volume.formed |= change.annotations.contains_key(FORMED_ANNOTATION);
        if let Some(times) = value(REPLACEMENTS_ANNOTATION) {
            volume.replacements = times.split(',').map(|t| t.parse().unwrap()).collect();
        }
        Ok(())
    }
}
