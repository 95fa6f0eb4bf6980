//! The parity file: everything that enters and leaves one optimiser step (`docs/parity.md`).

use crate::data::Batch;
use crate::data::objective::Sample;
use crate::error::TrainError;
use crate::files::tensors::Tensors;
use crate::layers::gradients::Paths;
use crate::layers::tap::Captured;
use crate::optimizer::adamw::AdamW;
use crate::parameters::{Parameter, Parameters};
use experiments_config::Config;
use safetensors::Dtype;
use std::collections::HashMap;
use std::path::Path;

/// The format's name and version, in the metadata.
pub const PARITY_FORMAT: &str = "workbench-parity-1";

/// One kind of ids of a sequence.
type Ids = fn(&Sample) -> &Vec<u32>;

/// Tensors gathered during one step.
pub(crate) struct ParityFile {
    metadata: HashMap<String, String>,
    tensors: Tensors,
    micro_batches: usize,
}

impl ParityFile {
    /// For the step after `config`'s schedule has been applied.
    pub(crate) fn new(config: &Config, step: u64) -> Self {
        let pairs = [
            ("format", PARITY_FORMAT.to_owned()),
            ("config", config.to_toml()),
            ("step", step.to_string()),
        ];
        Self {
            metadata: pairs.map(|(key, value)| (key.to_owned(), value)).into(),
            tensors: Tensors::default(),
            micro_batches: 0,
        }
    }

    fn push<const N: usize, T>(
        &mut self,
        name: String,
        dtype: Dtype,
        shape: &[usize],
        values: impl IntoIterator<Item = T>,
        bytes: fn(T) -> [u8; N],
    ) {
        let bytes = values.into_iter().flat_map(bytes).collect();
        self.tensors.push(name, dtype, shape, bytes);
    }

    fn floats(&mut self, name: String, shape: &[usize], values: &[f32]) {
        let values = values.iter().copied();
        self.push(name, Dtype::F32, shape, values, f32::to_le_bytes);
    }

    fn integers(&mut self, name: String, shape: &[usize], values: impl IntoIterator<Item = i64>) {
        self.push(name, Dtype::I64, shape, values, i64::to_le_bytes);
    }

    /// One number.
    pub(crate) fn scalar(&mut self, name: &str, value: f64) {
        let name = format!("scalars.{name}");
        self.push(name, Dtype::F64, &[1], [value], f64::to_le_bytes);
    }

    /// What one micro-batch read, and what its pass kept.
    pub(crate) fn micro_batch(&mut self, batch: &Batch, kept: Option<Vec<Captured>>) {
        let number = self.micro_batches;
        let name = |rest: &str| format!("micro.{number}.{rest}");
        let samples = &batch.samples;
        let (b, s) = (samples.len(), samples[0].tokens.len());
        let ids: [(&str, Ids); 3] = [
            ("tokens", |sample| &sample.tokens),
            ("positions", |sample| &sample.positions),
            ("block_positions", |sample| &sample.block_positions),
        ];
        for (what, of) in ids {
            let values = samples.iter().flat_map(of).map(|id| i64::from(*id));
            self.integers(name(what), &[b, s], values);
        }
        let targets = samples.iter().flat_map(|sample| &sample.targets);
        let targets = targets.map(|target| target.map_or(-1, i64::from));
        self.integers(name("targets"), &[b, s], targets);
        let mut rows: Vec<i64> = Vec::new();
        for (sequence, sample) in samples.iter().enumerate() {
            for segment in &sample.segments {
                let row = [sequence, segment.start, segment.len, segment.prefix];
                rows.extend(row.map(|n| n as i64));
            }
        }
        self.integers(name("segments"), &[rows.len() / 4, 4], rows.iter().copied());
        let mask = samples
            .iter()
            .flat_map(|sample| (0..s * s).map(move |i| u8::from(sample.may_attend(i / s, i % s))));
        self.push(
            name("attention_allowed"),
            Dtype::U8,
            &[b, s, s],
            mask,
            u8::to_le_bytes,
        );
        let flat = batch.targets();
        let mut loss_weights = vec![0.0; b * s];
        for (slot, weight) in flat.slots.iter().zip(&flat.weights) {
            loss_weights[*slot as usize] = *weight;
        }
        self.floats(name("loss_weights"), &[b, s], &loss_weights);
        for kept in kept.into_iter().flatten() {
            self.floats(name(&kept.name), &kept.shape, &kept.values);
        }
        self.micro_batches += 1;
    }

    /// One tensor per parameter, `GROUP.NAME`, from a flat buffer.
    pub(crate) fn group(&mut self, group: &str, table: &[Parameter], flat: &[f32]) {
        for parameter in table {
            let name = format!("{group}.{}", parameter.name);
            self.floats(name, &parameter.shape, &flat[parameter.range.clone()]);
        }
    }

    /// Both contributions to the gradient of tied embeddings, `[v, h]` each.
    pub(crate) fn embedding_paths(&mut self, embedding: &Parameter, paths: &Paths) {
        for (path, values) in [("input_path", &paths.input), ("logit_path", &paths.logit)] {
            let name = format!("gradients_scaled.{}.{path}", embedding.name);
            self.floats(name, &embedding.shape, values);
        }
    }

    /// Weights and moments, `WHEN` being `before` or `after`.
    pub(crate) fn state(&mut self, when: &str, parameters: &Parameters, adam: &AdamW) {
        let table = parameters.table();
        self.group(&format!("weights_{when}"), table, parameters.values());
        self.group(&format!("optimizer_{when}.exp_avg"), table, &adam.first);
        self.group(&format!("optimizer_{when}.exp_avg_sq"), table, &adam.second);
    }

    /// Writes the file under a temporary name and renames it.
    pub(crate) fn write(mut self, path: &Path) -> Result<(), TrainError> {
        let problem = |problem: String| TrainError::Parity {
            path: path.to_owned(),
            problem,
        };
        let count = self.micro_batches.to_string();
        self.metadata.insert("micro_batches".to_owned(), count);
        let encoded = self.tensors.encode(self.metadata);
        let bytes = encoded.map_err(|error| problem(error.to_string()))?;
        logs::output::write(path, &bytes)?;
        Ok(())
    }
}
