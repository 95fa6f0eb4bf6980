//! What a device does with this program: how fast it multiplies matrices, how fast it trains, and
//! whether it computes what the CPU computes.
//!
//! Rates are of *needed* operations: the matrix products of a forward pass and twice as many
//! backward, logits at the slots that have a target only ([`experiments_plan::flops::Work`]). Nothing
//! else counts, so their share of the measured matrix-product peak is what is called model FLOPs
//! utilisation.

mod agreement;
mod codes;
mod device;
mod peak;
mod timed;

pub use agreement::{Agreement, agreements};
pub use codes::{CodesTimed, time_codes};
pub use device::{Costs, begin_counting_launches, launches_of_a_step};
pub use kernels::instruction_set;
pub use peak::{Peak, Product};
pub use timed::{Effort, Timed, time_steps};

use crate::backend::Device;
use crate::files::provenance;

/// The device's model name, for tables and files.
#[must_use]
pub fn device_name(device: Device) -> String {
    device.gpu_name().unwrap_or_else(provenance::cpu)
}
