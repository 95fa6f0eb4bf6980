//! The bubble that the papers give as a formula.

use super::PipelineInput;
use crate::Schedule;

/// Idle share of the stage-time of one step, by formula:
///
/// - `GPipe` and 1F1B: (p − 1) / (m + p − 1), for any m (GLM-130B, arXiv 2210.02414,
///   equations 5 and 6; Huang et al. 2019, arXiv 1811.06965, §2.3; the same makespan (m + p − 1)(f + b) for both),
/// - interleaved: (p − 1) / (v·m + p − 1), for m divisible by p (from Narayanan et al. 2021,
///   "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM", §2.2.2,
///   which gives the idle time (p − 1)(f + b) / v beside the ideal time m(f + b); here it is
///   divided by their sum, not by the ideal time).
///
/// All hold for any ratio of forward to backward time, for equal stages and free messages;
/// otherwise, and for input that [`super::simulate`] refuses, there is no formula: `None`. The
/// formulas have no limit on size.
#[must_use]
pub fn closed_form(input: &PipelineInput) -> Option<f64> {
    let (p, m) = (input.stages, input.micro_batches);
    if p == 0 || m == 0 || input.send_seconds != 0.0 {
        return None;
    }
    let v = match (input.schedule, input.chunks) {
        (Schedule::Gpipe | Schedule::OneForwardOneBackward, 1) => 1,
        (Schedule::Interleaved, chunks @ 2..) if m.is_multiple_of(p) => chunks,
        _ => return None,
    };
    let idle = (p - 1) as f64;
    Some(idle / (v as f64 * m as f64 + idle))
}
