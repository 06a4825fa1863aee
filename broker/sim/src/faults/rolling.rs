//! Rolling restarts: each broker is stopped as SIGTERM does, one after the other, and the next
//! only when the one before serves again.

use std::time::Duration;

use super::Fault;
use crate::happening::Happening;
use crate::place::{Node, broker_id};
use crate::world::World;

/// How often it is looked whether a broker is back.
const LOOK: Duration = Duration::from_millis(200);

/// How often that is done before the rest is left alone.
const PATIENCE: u32 = 60;

impl World {
    pub(super) fn begin_roll(&mut self) -> bool {
        if self.is_rolling {
            return false;
        }
        self.is_rolling = true;
        self.fabric.counts.rolls += 1;
        let left = (0..self.fabric.machines.len()).collect();
        self.roll(left, 0);
        true
    }

    /// Stops the next broker, unless the one before it is not back.
    pub(super) fn roll(&mut self, mut left: Vec<usize>, patience: u32) {
        let Some(next) = left.last().copied().filter(|_| self.is_troubled) else {
            self.is_rolling = false;
            return;
        };
        let all_serve = (0..self.fabric.machines.len()).all(|index| self.serves(index));
        let patience = if all_serve {
            left.pop();
            self.terminate(Node::Broker(self.fabric.machines[next]));
            PATIENCE
        } else if patience == 0 {
            left.clear();
            0
        } else {
            patience - 1
        };
        self.fabric
            .after(LOOK, Happening::Fault(Fault::Roll { left, patience }));
    }

    fn serves(&self, index: usize) -> bool {
        let machine = self.fabric.machines[index];
        let process = self.brokers[machine].process.as_ref();
        let image = self.fabric.oracles.images.newest();
        let is_unfenced = image.is_some_and(|image| image.is_unfenced(broker_id(machine)));
        is_unfenced && process.is_some_and(|process| process.control().is_ready())
    }
}
