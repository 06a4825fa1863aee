//! What came of a run.

use std::fmt;

use kintsugi_node::message::shard::MendingStep;

/// Counts by name: the struct, adding, printing, and what every campaign has to reach.
macro_rules! counts {
    (reached { $($(#[$reached_doc:meta])* $reached:ident,)* } $($name:ident,)*) => {
        /// What happened in a run, counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[expect(missing_docs, reason = "each name says what is counted")]
        pub struct Counts {
            $($(#[$reached_doc])* pub $reached: u64,)*
            $(pub $name: u64,)*
        }

        impl Counts {
            /// Adds another run's.
            pub fn add(&mut self, other: &Self) {
                $(self.$reached += other.$reached;)*
                $(self.$name += other.$name;)*
            }

            /// What was never reached, of all that many seeds together have to reach.
            #[must_use]
            pub fn missed(&self) -> Vec<&'static str> {
                let mut missed = Vec::new();
                $(if self.$reached == 0 { missed.push(stringify!($reached)); })*
                missed
            }
        }

        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(write!(f, "{} {}, ", stringify!($reached), self.$reached)?;)*
                $(write!(f, "{} {}, ", stringify!($name), self.$name)?;)*
                Ok(())
            }
        }
    };
}

counts! {
    reached {
        /// A replica cut off what its leader does not have.
        divergence_truncations,
        /// A voter took over a leader's snapshot.
        snapshot_installs,
        /// A leader elected from the ELR.
        elr_elections,
        /// A leader elected by what the logs of the live replicas hold, ISR and ELR being empty.
        last_known_leader_elections,
        /// A registration that took the place of one that was not fenced.
        incarnation_replacements,
        /// A loss of power that found batches which were not synced.
        unsynced_tails,
        /// A batch sent again and recognised by a leader of a later epoch.
        duplicates_after_leader_change,
        /// A change of an ISR that the controller refused.
        rejected_alter_partitions,
        rolls,
        /// Moves of partitions that were begun, replaced or cancelled.
        moves,
        torn_writes,
        torn_starts,
        disk_errors,
        disk_losses,
        generations_granted,
        incarnations_refused,
        /// A change of the quorum's members that was committed while something was cut off.
        membership_changes_under_cut,
        group_generations,
        group_commits,
        /// A batch that a disk changed and that another replica's took the place of.
        damages_mended,
    }
    faults,
    membership_changes,
    kills,
    power_losses,
    freezes,
    cuts,
    stops,
    clean_stops,
    strays,
    lies,
    dial_backs,
    streams_reset,
    leases_expired,
    batches_sent,
    acknowledged,
    produce_errors,
    client_timeouts,
    topics_created,
    topics_deleted,
    elections,
    snapshots,
    isr_changes,
    beyond_repair,
    excused,
    lossy,
    bits_flipped,
    damages_found,
    damages_without_copy,
}

impl Counts {
    pub(crate) const fn mending(&mut self, step: &MendingStep) {
        match step {
            MendingStep::Found { .. } => self.damages_found += 1,
            MendingStep::NoCopy => self.damages_without_copy += 1,
            MendingStep::Mended { .. } => self.damages_mended += 1,
        }
    }
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was violated, if anything was.
    pub violation: Option<String>,
    /// What happened.
    pub counts: Counts,
    /// How many things happened.
    pub steps: u64,
    /// A hash of all of them and of every log.
    pub trace: u64,
    /// How long it took, in simulated seconds.
    pub simulated_seconds: f64,
    /// How long healing took after the last fault, in simulated seconds.
    pub healing_seconds: f64,
    /// The last of what happened, if asked for.
    pub last: Vec<String>,
}
