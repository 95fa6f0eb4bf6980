//! What `sweep plan` and `sweep status` show: values that print as plain text and serialise to
//! JSON; and how arms are told apart wherever they are shown.

mod looks;
mod plan;
mod status;

pub use looks::{Chosen, Look, LookAxis, Looks, without_shared};
pub use plan::{ArmOverview, PlanOverview};
pub use status::{OpenCriterion, Status};
