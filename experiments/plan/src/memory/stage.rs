//! The sums of one stage.

use super::activations::{LayerBytes, Sizes, element, layer_bytes};
use super::{MemoryOptions, Phase, PhaseMemory, StageMemory};
use crate::layout::stage_layers;
use crate::model::Parameters;
use crate::size::bytes;
use crate::{Layout, PlanError, Schedule};
use experiments_config::{Config, Format, ObjectiveMode};

/// Every stage in order.
pub(super) fn every_stage(
    config: &Config,
    layout: &Layout,
    options: &MemoryOptions,
) -> Result<Vec<StageMemory>, PlanError> {
    let parameters = Parameters::padded(config, layout)?;
    let layer = layer_bytes(config, layout, options);
    let stages = stage_layers(config, layout)?.into_iter().enumerate();
    stages
        .map(|(stage, layers)| {
            let place = Place {
                stage: stage as u64,
                stages: layout.pipeline_parallel,
                layers,
            };
            place.memory(config, layout, options, &parameters, layer)
        })
        .collect()
}

/// Micro-batches in flight on a stage at its worst moment; interleaved, micro-batches of chunks.
///
/// 1F1B: `min(m, p - stage)`. `GPipe`: m. Interleaved: `2(p - stage - 1) + (v-1)p` forward passes
/// of chunks warm up, one more is in flight (Megatron-LM `schedules.py`; on stage 0 this is
/// `vp (1 + (p-1)/(pv))`, arXiv 2205.05198 §4.2.3).
pub(crate) fn in_flight(layout: &Layout, stage: u64) -> u64 {
    let (p, m, v) = (
        layout.pipeline_parallel,
        layout.micro_batches(),
        layout.chunks,
    );
    match layout.schedule {
        Schedule::Gpipe => m,
        Schedule::OneForwardOneBackward => m.min(p - stage),
        Schedule::Interleaved => (m.saturating_mul(v)).min(2 * (p - stage - 1) + (v - 1) * p + 1),
    }
}

/// What follows from the parameters of a stage.
struct State {
    parameters: f64,
    weights: f64,
    gradients: f64,
    optimizer: f64,
    bucket: f64,
    /// The FP32 copy of the gradients of the replica's own share.
    copy: f64,
}

impl State {
    fn new(parameters: f64, config: &Config, layout: &Layout, options: &MemoryOptions) -> Self {
        let format = config.precision.format;
        let gradient = element(config.precision.grad_accumulation).max(element(format));
        let shards = layout.shards().max(1) as f64;
        let divided = |is_divided: bool| if is_divided { shards } else { 1.0 };
        let replicas = divided(layout.sharding.optimizer());
        // FP32 weights are their own master.
        let state = if format == Format::Fp32 { 8.0 } else { 12.0 };
        let bucket = if layout.data_parallel > 1 {
            parameters.min(options.bucket_elements as f64) * gradient
        } else {
            0.0
        };
        Self {
            parameters,
            weights: parameters * element(format) / divided(layout.sharding.weights()),
            gradients: parameters * gradient / divided(layout.sharding.gradients()),
            optimizer: parameters * state / replicas,
            bucket,
            copy: 4.0 * parameters / replicas,
        }
    }

    /// What is always there.
    fn resident(&self, options: &MemoryOptions) -> f64 {
        self.weights + self.gradients + self.optimizer + options.overhead_bytes as f64
    }
}

/// What follows from the micro-batches in flight on a stage.
struct Flight {
    per_micro_batch: f64,
    number: u64,
    activations: f64,
    inputs: f64,
    head: f64,
    /// Activations, inputs and head.
    held: f64,
    /// The same with one micro-batch less in flight.
    one_less: f64,
}

/// Where a stage stands.
struct Place {
    stage: u64,
    stages: u64,
    layers: u64,
}

impl Place {
    fn is_first(&self) -> bool {
        self.stage == 0
    }

    fn is_last(&self) -> bool {
        self.stage + 1 == self.stages
    }

    /// Parameters on one GPU. With tied embeddings and more than one stage the last stage holds a
    /// copy of the embedding (`TiedLayerSpec`).
    fn parameters(&self, all: &Parameters, ranks: u64) -> f64 {
        let mut count = self.layers as f64 * all.layer().on_rank(ranks) as f64;
        if self.is_first() {
            count += all.input().on_rank(ranks) as f64;
        }
        if self.is_last() {
            let tied_here = self.is_first() && all.head.total() == 0;
            count += if tied_here {
                all.final_norm.on_rank(ranks) as f64
            } else {
                all.output().on_rank(ranks) as f64
            };
        }
        count
    }

    fn memory(
        &self,
        config: &Config,
        layout: &Layout,
        options: &MemoryOptions,
        all: &Parameters,
        layer: LayerBytes,
    ) -> Result<StageMemory, PlanError> {
        let state = State::new(
            self.parameters(all, layout.tensor_parallel),
            config,
            layout,
            options,
        );
        let flight = self.flight(config, layout, options, layer.kept);
        let resident = state.resident(options);
        let phases = phases(resident, &state, &flight, layer)?;
        let peak_bytes = phases.iter().map(|phase| phase.bytes).max().unwrap_or(0);
        let whole = |value| bytes("memory of a GPU", value);
        Ok(StageMemory {
            stage: self.stage,
            layers: self.layers,
            parameters: whole(state.parameters)?,
            weights: whole(state.weights)?,
            gradients: whole(state.gradients)?,
            optimizer: whole(state.optimizer)?,
            activations_per_micro_batch: whole(flight.per_micro_batch)?,
            in_flight: flight.number,
            activations: whole(flight.activations)?,
            inputs_and_boundaries: whole(flight.inputs)?,
            head: whole(flight.head)?,
            forward_working_set: whole(layer.forward)?,
            backward_working_set: whole(layer.backward)?,
            bucket: whole(state.bucket)?,
            overhead: options.overhead_bytes,
            phases,
            peak_bytes,
        })
    }

    fn flight(
        &self,
        config: &Config,
        layout: &Layout,
        options: &MemoryOptions,
        kept: f64,
    ) -> Flight {
        let in_flight = in_flight(layout, self.stage);
        // Interleaved, what is in flight is counted in chunks, of `layers / v` layers each.
        let per_micro_batch = kept * self.layers as f64;
        let micro_batches = in_flight as f64 / layout.chunks.max(1) as f64;
        let activations = per_micro_batch * micro_batches;
        let around = self.around(config, layout, options);
        let inputs = around * micro_batches;
        let head = self.head(config, layout);
        let held = activations + inputs + head;
        let one_less = (held - (per_micro_batch + around) / layout.chunks.max(1) as f64).max(0.0);
        Flight {
            per_micro_batch,
            number: in_flight,
            activations,
            inputs,
            head,
            held,
            one_less,
        }
    }

    /// Beside the layers, for one micro-batch: token and position ids (8 bytes a slot, twice for
    /// two-dimensional positions) and the mask of blank infilling (a byte per pair of slots; a
    /// causal mask is not stored) travel with the activations; the first stage keeps what embedding
    /// norm and dropout need; every stage but the last keeps what it sends on.
    fn around(&self, config: &Config, layout: &Layout, options: &MemoryOptions) -> f64 {
        let sizes = Sizes::of(config, layout);
        let whole = if layout.sequence_parallel {
            sizes.ranks
        } else {
            1.0
        };
        let ids = if config.model.positions.reads_spans() {
            24.0
        } else {
            16.0
        };
        let mut around = ids * sizes.slots;
        if config.objective.mode == ObjectiveMode::Glm {
            around += sizes.square;
        }
        if self.is_first() {
            if config.model.dropout > 0.0 {
                around += sizes.width / whole;
            }
            if config.model.embedding_norm {
                around += sizes.stream() / whole;
            }
        }
        if !self.is_last() {
            let divided = options.partition_checkpoints || layout.sequence_parallel;
            around += sizes.stream() / if divided { sizes.ranks } else { 1.0 };
        }
        around
    }

    /// The output, on the last stage: inputs of final norm and projection, logits in the format of
    /// the pass or of an FP32 head, their FP32 probabilities (in which the gradient is written), and the gradient of
    /// the logits. One micro-batch at a time; under `GPipe` all of them wait for the backward pass.
    fn head(&self, config: &Config, layout: &Layout) -> f64 {
        if !self.is_last() {
            return 0.0;
        }
        let sizes = Sizes::of(config, layout);
        let whole = if layout.sequence_parallel {
            sizes.ranks
        } else {
            1.0
        };
        let kept = 2.0 * sizes.stream() / whole + 4.0 * sizes.logits / sizes.ranks;
        let element = if config.precision.fp32_head {
            4.0
        } else {
            sizes.element
        };
        let moment = 2.0 * element * sizes.logits / sizes.ranks;
        let waiting = match layout.schedule {
            Schedule::Gpipe => layout.micro_batches() as f64,
            Schedule::OneForwardOneBackward | Schedule::Interleaved => 1.0,
        };
        kept * waiting + moment
    }
}

/// Every phase: what is always there, and what the phase holds beside it.
fn phases(
    resident: f64,
    state: &State,
    flight: &Flight,
    layer: LayerBytes,
) -> Result<Vec<PhaseMemory>, PlanError> {
    let (held, one_less) = (flight.held, flight.one_less);
    let beside = [
        (Phase::Idle, 0.0),
        (Phase::Warmup, one_less + layer.forward),
        (Phase::SteadyForward, held + layer.forward),
        (Phase::SteadyBackward, held + layer.backward),
        (Phase::Cooldown, one_less + layer.backward),
        (Phase::GradientReduction, state.bucket),
        (Phase::OptimizerStep, state.copy),
    ];
    let phase = |(phase, value)| {
        Ok(PhaseMemory {
            phase,
            bytes: bytes("memory of a GPU", resident + value)?,
        })
    };
    beside.into_iter().map(phase).collect()
}
