//! A configuration on a cluster: what it costs, whether it fits, how it is laid out, and what the
//! trainer that will run it is told. Knows no tensor: everything follows from the configuration,
//! data files about hardware, and formulas with their sources.

mod error;
mod layout;

pub use error::PlanError;
pub use layout::{Cluster, Layout, Recompute, Schedule};
