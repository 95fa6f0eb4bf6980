//! In which order one stage does its passes.

use super::{Pass, PipelineInput};
use crate::Schedule;

/// A pass that a stage will do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) chunk: usize,
    pub(super) micro_batch: usize,
    pub(super) pass: Pass,
}

/// The passes of `stage` in their order, of an input that was checked.
pub(super) fn of_stage(input: &PipelineInput, stage: usize) -> Vec<Operation> {
    let (p, m, v) = (
        input.stages as usize,
        input.micro_batches as usize,
        input.chunks as usize,
    );
    let behind = p - 1 - stage;
    match input.schedule {
        // Huang et al. 2019, figure 2c: the last micro-batch comes back first.
        Schedule::Gpipe => {
            let pass = |micro_batch, pass| Operation {
                chunk: 0,
                micro_batch,
                pass,
            };
            let forward = (0..m).map(|micro_batch| pass(micro_batch, Pass::Forward));
            let backward = (0..m)
                .rev()
                .map(|micro_batch| pass(micro_batch, Pass::Backward));
            forward.chain(backward).collect()
        }
        // Narayanan et al. 2021, figure 4 top: a stage runs ahead by the stages behind it.
        Schedule::OneForwardOneBackward => {
            one_forward_one_backward(m, behind, |index, pass| Operation {
                chunk: 0,
                micro_batch: index,
                pass,
            })
        }
        // The same, figure 4 bottom, and Megatron-LM's `forward_backward_pipelining_with_interleaving`:
        // micro-batches in groups of p, each group through all chunks before the next.
        Schedule::Interleaved => {
            let ahead = 2 * behind + (v - 1) * p;
            one_forward_one_backward(m * v, ahead, |index, pass| {
                let chunk = index % (p * v) / p;
                Operation {
                    chunk: match pass {
                        Pass::Forward => chunk,
                        Pass::Backward => v - 1 - chunk,
                    },
                    micro_batch: index / (p * v) * p + index % p,
                    pass,
                }
            })
        }
    }
}

/// `ahead` forward passes, then forward and backward in turn, then the backward passes left;
/// `operation` names the pass number `index` of its direction.
fn one_forward_one_backward(
    passes: usize,
    ahead: usize,
    operation: impl Fn(usize, Pass) -> Operation,
) -> Vec<Operation> {
    let ahead = ahead.min(passes);
    let mut order = Vec::with_capacity(2 * passes);
    order.extend((0..ahead).map(|index| operation(index, Pass::Forward)));
    for index in 0..passes - ahead {
        order.push(operation(ahead + index, Pass::Forward));
        order.push(operation(index, Pass::Backward));
    }
    order.extend((passes - ahead..passes).map(|index| operation(index, Pass::Backward)));
    order
}
