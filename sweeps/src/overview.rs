//! What `sweep plan` and `sweep status` show: values that print as plain text and serialise to
//! JSON.

mod plan;
mod status;

pub use plan::{ArmOverview, PlanOverview};
pub use status::{OpenCriterion, Status};
