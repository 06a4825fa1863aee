//! Where replicas and leaders should be: a model of a cluster and goals in, a plan of moves out.
//!
//! Guarantees: the same model, profile, scope and limits give the same plan; a goal is never made
//! worse for a lower one; what a plan says of goals is counted by [`checker`], which shares no
//! arithmetic with the search; what a plan copies is told beside a lower bound of what any plan
//! must copy. Assumes nothing of its input: it is checked, and refused with the field's name.
//! Never does I/O, reads no clock, and moves nothing itself.
//!
//! ```
//! use kintsugi_planner::{
//!     BrokerInput, BrokerState, ClusterInput, Limits, Load, Model, PartitionInput, Profile, Scope,
//!     Thresholds, TopicInput, plan,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let load = |disk_bytes| Load { disk_bytes, cpu: 0.1, ..Load::default() };
//! let capacity = Load {
//!     disk_bytes: 1e12,
//!     network_in_bytes_per_second: 1e9,
//!     network_out_bytes_per_second: 1e9,
//!     cpu: 8.0,
//! };
//! let model = Model::build(ClusterInput {
//!     brokers: [0, 1]
//!         .map(|id| BrokerInput { id, rack: None, capacity, state: BrokerState::Alive })
//!         .to_vec(),
//!     topics: vec![TopicInput { name: "orders".to_owned(), ..TopicInput::default() }],
//!     partitions: (0..10).map(|number| PartitionInput {
//!         topic: 0,
//!         number,
//!         replicas: vec![0],
//!         leader: Some(0),
//!         leader_load: load(1e9),
//!         follower_load: load(1e9),
//!     }),
//! })?;
//! let profile = Profile::kintsugi(Thresholds::default())?;
//! let plan = plan(&model, &profile, &Scope::Full, &Limits::default())?;
//! assert_eq!(plan.moves.replicas, 5);
//! # Ok(())
//! # }
//! ```

mod bands;
mod bound;
mod changes;
pub mod checker;
mod dims;
mod error;
mod input;
mod load;
pub mod model;
mod plan;
mod planner;
mod profile;
mod report;
mod search;
mod state;
pub mod synthetic;
mod unmet;

pub use error::InputError;
pub use input::{
    BrokerInput, BrokerState, ClusterInput, LoadUpdate, PartitionId, PartitionInput, TopicInput,
};
pub use load::{Load, Resource};
pub use model::Model;
pub use plan::{GoalOutcome, Limits, MoveCounts, PartitionChange, Plan, PlanError, Rates, Scope};
pub use planner::plan;
pub use profile::{Goal, Profile, ProfileError, Thresholds};
