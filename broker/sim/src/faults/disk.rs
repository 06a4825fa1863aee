//! Disks that fail, and processes that die in the midst of a write.

use std::time::Duration;

use kintsugi_storage::fs::memory::FaultPlan;

use super::Fault;
use crate::end::End;
use crate::happening::Happening;
use crate::network::hits;
use crate::place::Node;
use crate::site::Standing;
use crate::world::World;

/// After how many further changes of its files a process dies, at the most.
const CHANGES_MAX: u64 = 60;

/// After how many further writes, or syncs, one fails, at the most.
const ACTS_MAX: u64 = 30;

impl World {
    /// The process will die at one of its next changes of files.
    pub(super) fn tear_a_write(&mut self, node: Node) -> bool {
        let plan = FaultPlan {
            stop_after_mutations: Some(self.fabric.rng.u64(..CHANGES_MAX)),
            ..FaultPlan::default()
        };
        self.plan(node, plan)
    }

    /// One of its next writes or syncs will fail.
    pub(super) fn fail_the_disk(&mut self, node: Node) -> bool {
        let after = Some(self.fabric.rng.u64(..ACTS_MAX));
        let is_write = self.fabric.rng.bool();
        let plan = FaultPlan {
            write_error_after: after.filter(|_| is_write),
            sync_error_after: after.filter(|_| !is_write),
            ..FaultPlan::default()
        };
        if !self.plan(node, plan) {
            return false;
        }
        // Whoever lives on with what failed is started again by the operator.
        let (life, ..) = self.state_of(node);
        let delay = Duration::from_millis(self.fabric.rng.u64(2_000..8_000));
        self.fabric
            .after(delay, Happening::Fault(Fault::Kill { node, life }));
        true
    }

    /// Now and then a process dies while it starts.
    pub(crate) fn tear_the_start(&mut self, node: Node) {
        let is_drawn = hits(&mut self.fabric.rng, self.scenario.torn_start_one_in);
        if !is_drawn || !self.is_troubled {
            return;
        }
        let plan = FaultPlan {
            stop_after_mutations: Some(self.fabric.rng.u64(..8)),
            ..FaultPlan::default()
        };
        self.set_plan(node, plan);
    }

    fn plan(&mut self, node: Node, plan: FaultPlan) -> bool {
        let (_, is_powered, is_running) = self.state_of(node);
        if !is_powered || !is_running {
            return false;
        }
        self.set_plan(node, plan);
        true
    }

    fn set_plan(&mut self, node: Node, plan: FaultPlan) {
        match node {
            Node::Controller(index) => {
                let site = &mut self.controllers[index];
                site.has_disk_fault = true;
                site.fs.set_faults(plan);
            }
            Node::Broker(index) => {
                let site = &mut self.brokers[index];
                site.has_disk_fault = true;
                site.fs.set_faults(plan);
            }
            Node::Client(_) => {}
        }
    }

    /// No disk fails any more.
    pub(super) fn forget_disk_faults(&mut self, node: Node) {
        match node {
            Node::Controller(index) => {
                let site = &mut self.controllers[index];
                site.fs.set_faults(FaultPlan::default());
            }
            Node::Broker(index) => self.brokers[index].fs.set_faults(FaultPlan::default()),
            Node::Client(_) => {}
        }
    }

    /// A process came to its end by itself.
    pub(crate) fn ended(&mut self, node: Node, end: End) {
        let (standing, has_disk_fault) = match node {
            Node::Controller(index) => {
                let site = &self.controllers[index];
                (site.standing, site.has_disk_fault)
            }
            Node::Broker(index) => {
                let site = &self.brokers[index];
                (site.standing, site.has_disk_fault)
            }
            Node::Client(_) => return,
        };
        match end {
            End::Clean => {
                self.kill(node);
                self.restart_later(node, 20..2_000);
            }
            End::Stopped => {
                self.fabric.counts.torn_writes += 1;
                self.struck(node);
            }
            End::Fatal(_) if has_disk_fault => {
                self.fabric.counts.disk_errors += 1;
                self.struck(node);
            }
            End::Fatal(_) if standing != Standing::InForce => {
                self.fabric.counts.incarnations_refused += 1;
                self.kill(node);
                self.retire(node);
            }
            End::Fatal(_) if self.is_leaving(node) || self.is_being_replaced(node) => {
                self.kill(node);
            }
            End::Fatal(_) if self.is_given_up(node) => self.replace_given_up(node),
            End::Fatal(reason) => self.fabric.oracles.fail(reason),
        }
    }

    /// A fault of the disk ended a process.
    fn struck(&mut self, node: Node) {
        self.kill(node);
        if let Node::Broker(index) = node {
            let fs = self.brokers[index].fs.clone();
            self.fabric.oracles.stopped_midway(index, &fs);
        }
        self.restart_later(node, 20..2_000);
    }

    /// Starting failed; true if that is by a fault of the disk.
    pub(crate) fn is_disk_to_blame(&mut self, node: Node) -> bool {
        let (fs, has_disk_fault) = match node {
            Node::Controller(index) => {
                let site = &self.controllers[index];
                (site.fs.clone(), site.has_disk_fault)
            }
            Node::Broker(index) => {
                let site = &self.brokers[index];
                (site.fs.clone(), site.has_disk_fault)
            }
            Node::Client(_) => return false,
        };
        if has_disk_fault {
            self.fabric.counts.torn_starts += 1;
            fs.crash_process();
            match node {
                Node::Controller(index) => self.controllers[index].has_disk_fault = false,
                Node::Broker(index) => {
                    self.brokers[index].has_disk_fault = false;
                    self.fabric.oracles.stopped_midway(index, &fs);
                }
                Node::Client(_) => {}
            }
            self.restart_later(node, 20..2_000);
        }
        has_disk_fault
    }
}
