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

    /// Share of the stages' time in which 1F1B has nothing for them, where all turns last equally long:
    /// `(p-1)/(m+p-1)` (arXiv 2210.02414 eq. 5-6).
    pub(crate) fn idle_share(&self, micro_batches: usize) -> f64 {
        let ahead = self.stages() - 1;
        ahead as f64 / (micro_batches + ahead).max(1) as f64
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
    use experiments_plan::Schedule;
    use experiments_plan::pipeline::{PipelineInput, closed_form};

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

    /// Slots in which a stage waits when every turn takes one slot and begins when the turn that it needs is over, counted:
    /// they are the share of the formula, which is that of the plan.
    #[test]
    fn the_schedule_idles_as_the_formula_says() {
        for stages in 1..=8 {
            let pipeline = Pipeline::new(8 * 7 * 6 * 5, stages).unwrap();
            for micro_batches in 1..=12 {
                let slots = played(&pipeline, micro_batches);
                let idle = (slots - 2 * micro_batches) as f64 / slots as f64;
                let what = format!("{stages} stages, {micro_batches} micro-batches");
                assert!(
                    (idle - pipeline.idle_share(micro_batches)).abs() < 1e-12,
                    "{what}"
                );
                let planned = closed_form(&PipelineInput {
                    stages: stages as u64,
                    micro_batches: micro_batches as u64,
                    chunks: 1,
                    schedule: Schedule::OneForwardOneBackward,
                    forward_seconds: 1.0,
                    backward_seconds: 1.0,
                    send_seconds: 0.0,
                });
                assert!((idle - planned.unwrap()).abs() < 1e-12, "{what}");
            }
        }
    }

    /// Slots until the last stage has done its last turn.
    fn played(pipeline: &Pipeline, micro_batches: usize) -> usize {
        let stages = pipeline.stages();
        let mut turns: Vec<_> = (0..stages)
            .map(|stage| pipeline.turns(stage, micro_batches).into_iter().peekable())
            .collect();
        let mut done: Vec<Vec<Turn>> = vec![Vec::new(); stages];
        let mut slots = 0;
        while turns.iter_mut().any(|turns| turns.peek().is_some()) {
            let before = done.clone();
            for (stage, turns) in turns.iter_mut().enumerate() {
                let is_ready = |turn: &Turn| match turn {
                    Forward(_) => stage == 0 || before[stage - 1].contains(turn),
                    Backward(_) => stage + 1 == stages || before[stage + 1].contains(turn),
                };
                done[stage].extend(turns.next_if(is_ready));
            }
            slots += 1;
            assert!(
                slots <= 4 * (micro_batches + stages),
                "stages wait for each other"
            );
        }
        slots
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
