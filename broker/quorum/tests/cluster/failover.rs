//! How long a quorum is without a leader.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use kintsugi_quorum::{Engine, Event};

use super::faults::Network;
use super::world::World;

impl World {
    /// With nothing else going wrong, kills the leader with every connection to it reset, and
    /// tells after how many milliseconds another one is ready to serve.
    pub fn failover_ms(&mut self) -> Result<u64, String> {
        self.faulty = false;
        self.network = Network::default();
        self.run_until(self.now + Duration::from_secs(5))?;
        let leader = self.any_leader().ok_or("no leader after 5 s")?;
        let killed = self.now;
        self.nodes.get_mut(&leader).unwrap().engine = None;
        for peer in self.voters() {
            // A connection that is reset brings nothing more.
            self.network.cut.insert((leader, peer));
        }
        for peer in self.voters() {
            // The resets do not arrive at the same instant.
            self.run_until(self.now + Duration::from_micros(200))?;
            self.event(peer, Event::LeaderLost { leader })?;
        }
        for _ in 0..5_000 {
            self.run_until(self.now + Duration::from_millis(1))?;
            let engines = self.nodes.values().filter_map(|v| v.engine.as_ref());
            if engines.into_iter().any(Engine::is_ready_leader) {
                let millis = self.now.since(killed).as_millis();
                return Ok(u64::try_from(millis).unwrap());
            }
        }
        Err("no leader within 5 s of the kill".to_owned())
    }
}
