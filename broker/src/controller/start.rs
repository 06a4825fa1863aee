//! Starting the controller role.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use kintsugi_node::controller::{
    Controller as Node, ControllerConfig, ControllerStore, OpenedVoter, VoterIdentity,
};
use kintsugi_node::message::link::Hello;
use kintsugi_quorum as quorum;
use kintsugi_storage::{JournalLimits, RealFileSystem};
use kintsugi_types::{ControllerId, DirectoryId};
use tokio::sync::watch;
use uuid::Uuid;

use super::actor::Controller;
use super::links::Links;
use super::listener::{self, Reception};
use super::peers::Peers;
use super::status::ControllerStatus;
use super::{Input, journal};
use crate::http::{ControllerAccess, cluster_settings};
use crate::mailbox::{Mailbox, mailbox};
use crate::process::Shared;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::thread;
use crate::transport::{Vigilance, bind, encode};

/// Starts the controller's threads and its listener.
///
/// # Errors
/// When its directory cannot be used, or its port is taken.
pub async fn start(
    shared: &Shared,
    id: ControllerId,
    threads: &mut Vec<(String, Progress)>,
) -> anyhow::Result<ControllerAccess> {
    let settings = &shared.settings;
    let listener = bind(&settings.endpoints.controller).await?;
    let identity = VoterIdentity {
        cluster: settings.cluster.clone(),
        id,
        generation: settings.generation,
        is_founder: settings.voters.contains_key(&id),
        new_directory: DirectoryId(Uuid::new_v4()),
    };
    let limits = JournalLimits::default();
    let fs = RealFileSystem;
    let (store, opened) =
        ControllerStore::open(&fs, &settings.metadata_directory, &identity, limits)
            .context("failed to open the controller's directory")?;
    let directory = opened.directory;
    let (events, letters) = mailbox::<Input>();
    let (journal, writes) = mailbox();
    let node = open_node(shared, id, opened)?;
    let (status, told) = watch::channel(ControllerStatus::of(&node));
    let progress = Progress::default();
    progress.mark(shared.clock.now());
    threads.push(("controller".to_owned(), progress.clone()));

    let hello = encode(&Hello::Controller {
        id,
        directory,
        cluster: settings.cluster.clone(),
        endpoint: settings.endpoints.controller_advertised.clone(),
        process: fastrand::u64(..),
    })?;
    let vigilance = Vigilance::of(settings);
    let (runtime, trust) = (shared.runtime.clone(), shared.trust.clone());
    let peers = Peers::new(id, runtime, hello, events.clone(), vigilance, trust);
    let mut actor = Controller {
        node,
        clock: shared.clock,
        runtime: shared.runtime.clone(),
        exit: shared.exit.clone(),
        events: events.clone(),
        journal,
        peers,
        vigilance,
        status,
        progress,
        links: Links::default(),
        waiting: BTreeMap::new(),
        changes: BTreeMap::new(),
        next_token: 1,
    };
    actor.connect_peers();
    let (exit, durable) = (shared.exit.clone(), events.clone());
    thread::spawn("journal", move || {
        journal::run(store, &writes, &durable, &exit)
    })?;
    thread::spawn("controller", move || actor.run(&letters))?;
    let reception = reception(shared, &events);
    tokio::spawn(listener::run(listener, reception));
    Ok(ControllerAccess {
        id,
        status: told,
        mailbox: events,
    })
}

fn reception(shared: &Shared, events: &Mailbox<Input>) -> Reception {
    Reception {
        cluster: shared.settings.cluster.clone(),
        events: events.clone(),
        next_link: Arc::new(AtomicU64::new(1)),
        vigilance: Vigilance::of(&shared.settings),
        trust: shared.trust.clone(),
        latest: Arc::default(),
    }
}

fn open_node(shared: &Shared, id: ControllerId, opened: OpenedVoter) -> anyhow::Result<Node> {
    let settings = &shared.settings;
    let voters = settings.voters.keys().map(|voter| (*voter, None)).collect();
    let config = quorum::Config::new(id, opened.directory, voters);
    let mut config =
        ControllerConfig::new(config, settings.cluster.clone(), settings.voters.clone());
    config.settings = cluster_settings(settings);
    config.rebalance_interval = rebalance_interval(settings);
    config.detector.session = settings.millis("broker.session.timeout.ms");
    config.detector.heartbeat_interval = settings.millis("broker.heartbeat.interval.ms");
    let seed = fastrand::u64(..);
    Node::open(config, opened.recovered, shared.clock.now(), seed)
        .context("failed to start the controller")
}

fn rebalance_interval(settings: &Settings) -> Option<Duration> {
    let seconds = settings.number("leader.imbalance.check.interval.seconds");
    let seconds = u64::try_from(seconds).unwrap_or(300);
    settings
        .is_on("auto.leader.rebalance.enable")
        .then(|| Duration::from_secs(seconds))
}
