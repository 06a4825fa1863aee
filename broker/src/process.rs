//! Starting the roles of the process in order, and stopping them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use kintsugi_node::message::broker::Event;
use kintsugi_node::message::link::DialBackAnswer;
use kintsugi_types::BrokerId;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::broker::{self, BrokerHandle, ControlInput, ControlPort, Directory};
use crate::clock::Clock;
use crate::controller;
use crate::exit::{Ending, Exit};
use crate::http::{self, App, ControllerAccess, Roles};
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::signals;
use crate::transport::{bind, encode};
use crate::trust::Trust;

/// Threads for name lookups, which block.
pub const BLOCKING_THREADS_MAX: usize = 8;

/// How long a controller that stops may take to hand leadership over.
const TRANSFER_MAX: Duration = Duration::from_secs(2);

/// What every role is started with.
#[derive(Clone)]
pub struct Shared {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The clock of the process.
    pub clock: Clock,
    /// How the process ends.
    pub exit: Exit,
    /// The counters.
    pub metrics: Metrics,
    /// Where sockets are served.
    pub runtime: Handle,
    /// Whom it lets onto its internal ports.
    pub trust: Trust,
}

/// Runs the process until it ends.
///
/// # Errors
/// When a role cannot start: a port is taken, a directory cannot be used.
pub async fn run(settings: Arc<Settings>, clock: Clock) -> anyhow::Result<Ending> {
    let metrics = Metrics::new().context("failed to set up metrics")?;
    let shared = Shared {
        settings: Arc::clone(&settings),
        clock,
        exit: Exit::new(),
        trust: Trust::open(&settings, &metrics)?,
        metrics,
        runtime: Handle::current(),
    };
    let app = Arc::new(App {
        settings: Arc::clone(&settings),
        clock,
        metrics: shared.metrics.clone(),
        trust: shared.trust.clone(),
        roles: OnceLock::new(),
        loads: http::load::Gathered::default(),
    });
    let http = bind(&settings.endpoints.http).await?;
    tokio::spawn(http::serve(http, Arc::clone(&app)));
    let mut threads: Vec<(String, Progress)> = Vec::new();
    // The control port comes first: while it is open, the process counts as alive.
    let directory = match settings.broker {
        Some(id) => Some(open_directory(&settings, id)?),
        None => None,
    };
    let controller = match settings.controller {
        Some(id) => Some(controller::start(&shared, id, &mut threads).await?),
        None => None,
    };
    let broker = match (settings.broker, directory) {
        (Some(id), Some(directory)) => {
            Some(broker::start(&shared, id, directory, &mut threads).await?)
        }
        _ => None,
    };
    let roles = Roles {
        threads,
        broker: broker.clone(),
        controller: controller.clone(),
    };
    if app.roles.set(roles).is_err() {
        tracing::error!("the roles of this process were started twice");
    }
    tracing::info!(
        cluster = %settings.cluster,
        broker = ?settings.broker.map(|id| id.0),
        controller = ?settings.controller.map(|id| id.0),
        uptime_ms = clock.now().as_millis(),
        "started"
    );
    let stopping = tokio::spawn(stop_when_asked(shared.clone(), broker, controller));
    let ending = shared.exit.decided().await;
    stopping.abort();
    tracing::info!(?ending, uptime_ms = clock.now().as_millis(), "ended");
    Ok(ending)
}

/// Opens the control port, then the log directory, and answers dials from then on.
fn open_directory(settings: &Settings, id: BrokerId) -> anyhow::Result<Directory> {
    let port = ControlPort::open(settings)?;
    let directory = Directory::open(settings, id)?;
    let answer = DialBackAnswer {
        incarnation: directory.incarnation(),
        cluster: settings.cluster.clone(),
    };
    port.answer(encode(&answer)?)?;
    Ok(directory)
}

/// Waits for a signal, then hands over: the broker first, so that what it leads moves while this
/// controller can still decide it.
async fn stop_when_asked(
    shared: Shared,
    broker: Option<Arc<BrokerHandle>>,
    controller: Option<ControllerAccess>,
) {
    if let Err(cause) = signals::stop_asked().await {
        tracing::error!(%cause, "failed to listen for signals: only a kill stops this process");
        return;
    }
    tracing::info!("asked to stop: handing over");
    let limit = shared.settings.millis("kintsugi.stop.timeout.ms");
    let mut ending = Ending::Clean;
    if let Some(broker) = broker {
        broker.control.post(ControlInput::Event(Event::Stop));
        let mut closed = broker.closed.clone();
        let is_closed = timeout(limit, closed.wait_for(|is_closed| *is_closed)).await;
        if !matches!(is_closed, Ok(Ok(_))) {
            tracing::warn!("the time to hand over ran out (kintsugi.stop.timeout.ms)");
            ending = Ending::Late;
        }
    }
    if let Some(controller) = controller {
        hand_leadership_over(&controller).await;
    }
    shared.exit.end(ending);
}

async fn hand_leadership_over(controller: &ControllerAccess) {
    controller.mailbox.post(controller::Input::Stop);
    let mut status = controller.status.clone();
    let mine = controller.id;
    let handed = status.wait_for(|status| status.leader.is_some_and(|leader| leader != mine));
    // Alone in its quorum, a controller has nobody to hand over to.
    drop(timeout(TRANSFER_MAX, handed).await);
}
