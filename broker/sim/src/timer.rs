//! When an event loop is woken.

use kintsugi_types::Time;

use crate::clock::Clock;
use crate::fabric::Fabric;
use crate::happening::Input;
use crate::place::{Loop, Node};

/// More wake-ups than this within one simulated second mean that a loop spins.
const WAKES_A_SECOND_MAX: u32 = 20_000;

/// The wake-up of one event loop.
#[derive(Debug)]
pub(crate) struct Timer {
    armed: Time,
    second: u64,
    wakes: u32,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            armed: Time::NEVER,
            second: 0,
            wakes: 0,
        }
    }
}

impl Timer {
    /// A wake-up came; true if it is the one that is waited for.
    pub(crate) fn fired(&mut self, now: Time) -> bool {
        let is_due = now >= self.armed;
        if is_due {
            self.armed = Time::NEVER;
        }
        is_due
    }

    /// Wants a wake-up when the process's clock shows `next`.
    pub(crate) fn arm(
        &mut self,
        fabric: &mut Fabric,
        next: Time,
        clock: Option<&Clock>,
        (node, life, which): (Node, u64, Loop),
    ) {
        if next == Time::NEVER {
            return;
        }
        let due = clock.map_or(next, |clock| clock.when(next));
        let at = due.max(Time(fabric.now.0 + 1));
        if at >= self.armed {
            return;
        }
        self.armed = at;
        self.count(fabric, node);
        let delay = at.since(fabric.now);
        fabric.arrive(delay, node, life, Input::Wake(which));
    }

    fn count(&mut self, fabric: &mut Fabric, node: Node) {
        let second = fabric.now.0 / 1_000_000;
        if second != self.second {
            self.second = second;
            self.wakes = 0;
        }
        self.wakes += 1;
        if self.wakes == WAKES_A_SECOND_MAX {
            fabric
                .oracles
                .fail(format!("{node:?} spins: it wants to be woken without end"));
        }
    }
}
