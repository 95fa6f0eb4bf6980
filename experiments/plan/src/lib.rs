//! A configuration on a cluster: what it costs, whether it fits, how it is laid out. Knows no tensor: everything follows from the configuration,
//! data files about hardware, and formulas with their sources.

mod batch;
mod budget;
pub mod communication;
pub mod energy;
mod error;
pub mod failure;
pub mod fit;
pub mod flops;
mod glm_130b;
pub mod hardware;
pub mod home;
mod layout;
pub mod memory;
pub mod model;
mod nearest;
mod options;
pub mod pipeline;
pub mod plan;
pub mod preflight;
pub mod published;
pub mod search;
pub mod size;
pub mod step_time;
mod text;

pub use batch::{Batches, Ramp, Stair};
pub use error::PlanError;
pub use glm_130b::is_glm_130b;
pub use layout::{
    Cluster, Layout, Recompute, Schedule, Sharding, Trainer, VOCAB_MULTIPLE, global_batch,
    partition, stage_layers,
};
pub use options::PlanOptions;
