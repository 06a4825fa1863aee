//! Starting the broker role.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kintsugi_metadata::{BrokerRegistration, Image};
use kintsugi_node::broker::{Broker as Node, BrokerConfig};
use kintsugi_node::message::link::Hello;
use kintsugi_types::BrokerId;
use tokio::sync::watch;

use super::checkpoints::{self, Checkpoint};
use super::control::{Control, Waiting};
use super::directory::{self, Directory};
use super::disk_pool::DiskPool;
use super::link::Links;
use super::shards::{Opening, Starting, log_context};
use super::{BrokerHandle, ControlInput, Gate, Published, ShardInput};
use crate::client;
use crate::mailbox::{Mailbox, mailbox};
use crate::process::Shared;
use crate::progress::Progress;
use crate::thread;
use crate::transport::{Vigilance, bind, encode};

/// How the broker reaches controllers, and what it greets them with.
fn links(
    shared: &Shared,
    directory: &Directory,
    control: &Mailbox<ControlInput>,
) -> anyhow::Result<Links> {
    let settings = &shared.settings;
    let hello = encode(&Hello::Broker {
        incarnation: directory.incarnation(),
        cluster: settings.cluster.clone(),
    })?;
    let (runtime, control) = (shared.runtime.clone(), control.clone());
    let (vigilance, trust) = (Vigilance::of(settings), shared.trust.clone());
    Ok(Links::new(runtime, control, hello, vigilance, trust))
}

/// Starts the broker's threads and its listeners.
///
/// # Errors
/// When its directory cannot be used, or a port is taken.
pub async fn start(
    shared: &Shared,
    id: BrokerId,
    directory: Directory,
    threads: &mut Vec<(String, Progress)>,
) -> anyhow::Result<Arc<BrokerHandle>> {
    let settings = &shared.settings;
    let clients = bind(&settings.endpoints.client).await?;
    let (control, letters) = mailbox::<ControlInput>();
    let (mailboxes, shard_letters): (Vec<_>, Vec<_>) = (0..settings.shards)
        .map(|_| mailbox::<ShardInput>())
        .unzip();
    let image = Arc::new(Image::default());
    let (published, image) = watch::channel(Published { image });
    let (gate, gate_seen) = watch::channel(Gate::default());
    let (closed, closed_seen) = watch::channel(false);
    let logs = log_context();
    let handle = Arc::new(BrokerHandle {
        id,
        settings: Arc::clone(settings),
        clock: shared.clock,
        metrics: shared.metrics.clone(),
        published: image,
        gate: gate_seen,
        closed: closed_seen,
        control: control.clone(),
        shards: mailboxes.clone(),
        logs: logs.clone(),
        next_token: AtomicU64::new(1),
    });
    // Clients find an open port from now on, and are told which APIs there are.
    tokio::spawn(client::serve(clients, Arc::clone(&handle)));

    let (checkpoints, newest) = mailbox::<Checkpoint>();
    let file = directory.checkpoints(settings.shards);
    thread::spawn("checkpoints", move || checkpoints::run(file, &newest))?;
    let disk = DiskPool::start(settings.size("kintsugi.io.threads"))?;
    let opening = Opening {
        shared,
        directory: &directory,
        control: &control,
        checkpoints: &checkpoints,
        disk: &disk,
        logs: &logs,
    };
    let starting = opening.open(id, mailboxes, shard_letters)?;
    let registration = registration(shared, &directory, &starting)?;
    let followers = bind(&settings.endpoints.replication).await?;
    let progress = Progress::default();
    progress.mark(shared.clock.now());
    threads.push(("broker".to_owned(), progress.clone()));
    let actor = Control {
        id,
        node: Node::new(config(shared, registration), shared.clock.now()),
        clock: shared.clock,
        runtime: shared.runtime.clone(),
        exit: shared.exit.clone(),
        events: control.clone(),
        links: links(shared, &directory, &control)?,
        shards: starting.iter().map(Starting::as_shard).collect(),
        published,
        gate,
        closed,
        metrics: shared.metrics.clone(),
        progress,
        waiting: Waiting::default(),
        directory,
    };
    for shard in starting {
        threads.push((shard.name.clone(), shard.progress.clone()));
        shard.start()?;
    }
    thread::spawn("broker", move || actor.run(&letters))?;
    let (broker, trust) = (Arc::clone(&handle), shared.trust.clone());
    tokio::spawn(super::replication::serve(followers, broker, trust));
    Ok(handle)
}

fn registration(
    shared: &Shared,
    directory: &Directory,
    shards: &[Starting],
) -> anyhow::Result<BrokerRegistration> {
    let settings = &shared.settings;
    let is_whole =
        !directory.is_log_missing() && shards.iter().all(|shard| shard.recovered_to_checkpoint);
    Ok(BrokerRegistration {
        incarnation: directory.incarnation(),
        directories: vec![directory.id()],
        boot: directory::boot_id()?,
        rack: settings.rack.clone(),
        client_endpoint: settings.endpoints.client_advertised.clone(),
        replication_endpoint: settings.endpoints.replication_advertised.clone(),
        control_endpoint: settings.endpoints.control_advertised.clone(),
        shards: settings.shards,
        clean_stop_epoch: directory.clean_stop_epoch().filter(|_| is_whole),
        recovered_to_checkpoint: is_whole,
    })
}

fn config(shared: &Shared, registration: BrokerRegistration) -> BrokerConfig {
    let settings = &shared.settings;
    let mut config = BrokerConfig {
        registration,
        controllers: settings
            .voters
            .iter()
            .map(|(id, endpoint)| (*id, endpoint.clone()))
            .collect(),
        timeouts: kintsugi_node::broker::Timeouts::default(),
    };
    config.timeouts.heartbeat_interval = settings.millis("broker.heartbeat.interval.ms");
    config.timeouts.session = settings.millis("broker.session.timeout.ms");
    config
}
