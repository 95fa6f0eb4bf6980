//! What the linear maps of the layers read in passes over training text, for rules that have to know it (GPTQ).

use crate::data::Sampler;
use crate::layers::tap::Tap;
use crate::parameters::Parameters;
use crate::pass::Setting;
use experiments_config::Position;
use experiments_quantization::Calibration;
use std::collections::HashMap;

/// By the names of the maps' parameters.
#[derive(Debug, Default)]
pub(crate) struct Calibrations(HashMap<String, Calibration>);

impl Calibrations {
    /// What the map has read; absent where none was watched.
    pub(crate) fn of(&self, name: &str) -> Option<&Calibration> {
        self.0.get(name)
    }
}

/// Passes over the first sequences of the run's training order, of at least so many slots, with `weights`. Every map sees
/// what it reads in the model as it is, before any other map is quantized.
pub(crate) fn calibrate(
    setting: &Setting,
    sampler: &Sampler,
    weights: &Parameters,
    slots: usize,
) -> Calibrations {
    let config = setting.config;
    let sequences = slots.div_ceil(config.model.seq_len).max(1);
    let size = config.batch.micro_batch;
    let mut all = Calibrations::default();
    for first in (0..sequences).step_by(size) {
        let batch = sampler.batch(Position(first as u64), size.min(sequences - first));
        let tap = setting
            .engine
            .watch(setting.run(weights, &batch), Tap::of_map_inputs());
        for captured in tap.kept.unwrap_or_default() {
            let width = captured.shape.last().copied().unwrap_or_default();
            let own = all.0.entry(captured.name);
            own.or_insert_with(|| Calibration::new(width))
                .see(&captured.values);
        }
    }
    all
}
