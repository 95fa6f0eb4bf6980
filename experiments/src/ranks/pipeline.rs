//! Which stage of a pipeline has which layers, and in which order it passes micro-batches.

use crate::parameters::{Parameter, Role};
use experiments_plan::partition;
use std::ops::Range;

/// The layers of every stage: equally many, or one less on the first and the last, where embedding and head count as a
/// layer each (GLM-130B, arXiv 2210.02414 §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pipeline(Vec<Range<usize>>);

/// What a stage does next with a micro-batch, which is counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Forward(usize),
    Backward(usize),
}

impl Pipeline {
    /// None where so many stages do not divide the layers.
    pub(crate) fn new(layers: usize, stages: usize) -> Option<Self> {
        let counts = partition(layers as u64, stages as u64, false)?;
        let mut end = 0;
        let spans = counts.into_iter().map(|count| {
            let start = end;
            end += count as usize;
            start..end
        });
        Some(Self(spans.collect()))
    }

    pub(crate) fn stages(&self) -> usize {
        self.0.len()
    }

    /// Layers of a stage.
    pub(crate) fn layers(&self, stage: usize) -> Range<usize> {
        self.0[stage].clone()
    }

    /// The stage that updates a parameter: that of its layer. Tied embeddings are the first stage's.
    pub(crate) fn stage_of(&self, parameter: &Parameter) -> usize {
        let last = self.stages() - 1;
        if let Some(layer) = parameter.layer {
            return self
                .0
                .iter()
                .position(|span| span.contains(&layer))
                .unwrap_or(last);
        }
        match parameter.role {
            Role::Embedding | Role::Position => 0,
            Role::Norm if parameter.name.starts_with("embedding_norm.") => 0,
            Role::Norm | Role::Head | Role::Attention | Role::Ffn => last,
        }
    }

    /// One forward, one backward (`PipeDream`-Flush, arXiv 2104.04473 §2.2): a stage goes ahead by as many forward passes as
    /// there are stages behind it.
    pub(crate) fn turns(&self, stage: usize, micro_batches: usize) -> Vec<Turn> {
        let ahead = (self.stages() - 1 - stage).min(micro_batches);
        let mut turns: Vec<Turn> = (0..ahead).map(Turn::Forward).collect();
        for micro in 0..micro_batches {
            if micro + ahead < micro_batches {
                turns.push(Turn::Forward(micro + ahead));
            }
            turns.push(Turn::Backward(micro));
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::Turn::{Backward, Forward};
    use super::*;

    #[test]
    fn glm_130b_has_nine_layers_less_one_at_both_ends() {
        let pipeline = Pipeline::new(70, 8).unwrap();
        let lens: Vec<_> = (0..8).map(|stage| pipeline.layers(stage).len()).collect();
        assert_eq!(lens, [8, 9, 9, 9, 9, 9, 9, 8]);
        assert_eq!(
            Pipeline::new(70, 3),
            Some(Pipeline(vec![0..23, 23..47, 47..70]))
        );
        assert_eq!(Pipeline::new(6, 5), None);
    }

    #[test]
    fn stages_go_forward_and_backward_in_turn() {
        let pipeline = Pipeline::new(4, 2).unwrap();
        assert_eq!(
            pipeline.turns(0, 3),
            [
                Forward(0),
                Forward(1),
                Backward(0),
                Forward(2),
                Backward(1),
                Backward(2)
            ]
        );
        assert_eq!(
            pipeline.turns(1, 2),
            [Forward(0), Backward(0), Forward(1), Backward(1)]
        );
        assert_eq!(pipeline.turns(0, 1), [Forward(0), Backward(0)]);
    }
}
