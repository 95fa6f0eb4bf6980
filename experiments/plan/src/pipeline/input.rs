//! What a pipeline is asked to do, and which questions have an answer.

use crate::{PlanError, Schedule};
use serde::{Deserialize, Serialize};
use words::{counted, thousands};

/// Operations (passes of one chunk over one micro-batch) that a simulation holds at most.
pub const MAX_OPERATIONS: u64 = 1 << 22;

/// Times that a pass or a message may take, in seconds.
const SECONDS: std::ops::RangeInclusive<f64> = 1e-9..=1e6;

/// One step of a pipeline whose stages all take equally long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineInput {
    /// Stages p.
    pub stages: u64,
    /// Micro-batches m of one step.
    pub micro_batches: u64,
    /// Chunks v of layers on each stage; 1 unless the schedule is interleaved.
    pub chunks: u64,
    /// Order of the work.
    pub schedule: Schedule,
    /// Forward pass of one micro-batch through one stage, all its chunks, in seconds.
    pub forward_seconds: f64,
    /// Backward pass of the same, recomputation included, in seconds.
    pub backward_seconds: f64,
    /// From the end of a pass until the next stage has its result, in seconds. It delays the
    /// receiver and does not occupy the sender: an asynchronous message.
    pub send_seconds: f64,
}

impl PipelineInput {
    /// Refuses what no schedule can do and what the simulation cannot hold.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        for (what, value) in [
            ("stages", self.stages),
            ("micro_batches", self.micro_batches),
            ("chunks", self.chunks),
        ] {
            if value == 0 {
                return Err(size(what, &value, "expected at least 1".into()));
            }
        }
        self.check_size()?;
        self.check_schedule()?;
        self.check_seconds()
    }

    /// The operations of one step, 2·m·p·v, are no more than [`MAX_OPERATIONS`].
    fn check_size(&self) -> Result<(), PlanError> {
        let limit = format!(
            "the simulation holds up to {} operations",
            thousands(MAX_OPERATIONS)
        );
        let per_micro_batch = self
            .stages
            .checked_mul(self.chunks)
            .and_then(|virtual_stages| virtual_stages.checked_mul(2))
            .filter(|&operations| operations <= MAX_OPERATIONS);
        let Some(per_micro_batch) = per_micro_batch else {
            let (what, value, other) = if self.stages >= self.chunks {
                ("stages", self.stages, self.chunks)
            } else {
                ("chunks", self.chunks, self.stages)
            };
            let most = (MAX_OPERATIONS / 2).checked_div(other).unwrap_or(0).max(1);
            let expected = format!("expected at most {} ({limit})", thousands(most));
            return Err(size(what, &value, expected));
        };
        let most = MAX_OPERATIONS / per_micro_batch;
        if self.micro_batches > most {
            let expected = format!(
                "expected at most {} with {} × {} ({limit})",
                thousands(most),
                counted(self.stages, "stage"),
                counted(self.chunks, "chunk"),
            );
            return Err(size("micro_batches", &self.micro_batches, expected));
        }
        Ok(())
    }

    fn check_schedule(&self) -> Result<(), PlanError> {
        if self.schedule != Schedule::Interleaved {
            if self.chunks == 1 {
                return Ok(());
            }
            return Err(PlanError::Layout {
                constraint: format!(
                    "the {} schedule has 1 chunk per stage, not {}",
                    name(self.schedule),
                    self.chunks
                ),
                nearest: "1 chunk, or the interleaved schedule".into(),
            });
        }
        if self.chunks == 1 {
            return Err(PlanError::Layout {
                constraint: "the interleaved schedule has 2 or more chunks per stage, not 1".into(),
                nearest: "2 chunks, or the 1F1B schedule".into(),
            });
        }
        // Megatron-LM hands out micro-batches in groups of p (core/pipeline_parallel/schedules.py).
        if !self.micro_batches.is_multiple_of(self.stages) {
            let below = self.micro_batches - self.micro_batches % self.stages;
            let above = below.saturating_add(self.stages);
            return Err(PlanError::Layout {
                constraint: format!(
                    "the interleaved schedule needs micro_batches ({}) divisible by stages ({})",
                    self.micro_batches, self.stages
                ),
                nearest: if below == 0 {
                    format!("{above} micro-batches")
                } else {
                    format!("{below} or {above} micro-batches")
                },
            });
        }
        Ok(())
    }

    fn check_seconds(&self) -> Result<(), PlanError> {
        let range = format!("{:e} to {:e} s", SECONDS.start(), SECONDS.end());
        for (what, value) in [
            ("forward_seconds", self.forward_seconds),
            ("backward_seconds", self.backward_seconds),
        ] {
            if !SECONDS.contains(&value) {
                return Err(size(what, &value, format!("expected {range}")));
            }
        }
        if self.send_seconds != 0.0 && !SECONDS.contains(&self.send_seconds) {
            let expected = format!("expected 0 or {range}");
            return Err(size("send_seconds", &self.send_seconds, expected));
        }
        Ok(())
    }
}

/// The schedule as people call it.
pub(super) fn name(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Gpipe => "GPipe",
        Schedule::OneForwardOneBackward => "1F1B",
        Schedule::Interleaved => "interleaved 1F1B",
    }
}

fn size(what: &str, value: &impl ToString, expected: String) -> PlanError {
    PlanError::Size {
        what: what.into(),
        value: value.to_string(),
        expected,
    }
}
