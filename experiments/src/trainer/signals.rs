//! From sums over parameters to the signals of a step.

use crate::arithmetic::Size;
use crate::data::Losses;
use crate::layers::tap::{Readings, larger};
use crate::numerics::precision::RangeReport;
use crate::optimizer::adamw::UpdateReport;
use crate::parameters::{Parameter, Role};
use experiments_config::{Config, Samples};
use logs::Record;
use logs::signal::{self, PerLayer};

/// Squared gradient norms of one step, unscaled, before clipping.
pub(crate) struct GradientNorms {
    /// One sum of squares per parameter, in table order.
    squared: Vec<f64>,
    /// Squared norm of each path into tied embeddings; absent when untied.
    paths: Option<[f64; 2]>,
    /// Largest magnitude, NaN where there is one; where gradients overflowed, of those before they were rounded.
    largest: f64,
}

impl GradientNorms {
    /// `sizes` are the parameters', `paths` the sums of squares of the input and logit paths.
    pub(crate) fn new(sizes: &[Size], paths: Option<[f64; 2]>) -> Self {
        let largest = sizes.iter().map(|size| f64::from(size.largest));
        Self {
            squared: sizes.iter().map(|size| size.squared).collect(),
            paths,
            largest: largest.fold(0.0, larger),
        }
    }

    /// Takes in what overflowed: its largest magnitude before it was rounded, unscaled; 0 for nothing.
    pub(crate) fn note_overflow(&mut self, largest: f64) {
        if largest > 0.0 {
            self.largest = largest;
        }
    }

    /// L2 norm of every parameter's gradient, in table order.
    pub(crate) fn per_parameter(&self) -> Vec<f64> {
        self.squared.iter().map(|squared| squared.sqrt()).collect()
    }

    /// Sums of squares, one per parameter in table order.
    pub(crate) fn per_tensor(&self) -> &[f64] {
        &self.squared
    }

    /// Square of the global norm.
    pub(crate) fn squared(&self) -> f64 {
        self.squared.iter().sum()
    }

    /// Global L2 norm; not finite where any gradient is not.
    pub(crate) fn global(&self) -> f64 {
        self.squared().sqrt()
    }
}

/// L2 norms of the parameters that `select` picks.
fn norm(table: &[Parameter], squared: &[f64], select: impl Fn(&Parameter) -> bool) -> f64 {
    let picked = table.iter().zip(squared).filter(|(p, _)| select(p));
    picked.map(|(_, s)| s).sum::<f64>().sqrt()
}

/// One norm per layer over the parameters of the layer that `select` picks.
fn per_layer(
    table: &[Parameter],
    squared: &[f64],
    layers: usize,
    select: impl Fn(&Parameter) -> bool,
) -> Vec<f64> {
    let mut sums = vec![0.0; layers];
    for (parameter, value) in table.iter().zip(squared) {
        if let Some(layer) = parameter.layer.filter(|_| select(parameter)) {
            sums[layer] += value;
        }
    }
    sums.into_iter().map(f64::sqrt).collect()
}

/// Puts signals into a record, in the order of [`logs::SIGNALS`].
pub(crate) struct Recorder<'a> {
    pub(crate) table: &'a [Parameter],
    pub(crate) layers: usize,
    /// Whether this step records per-layer signals.
    pub(crate) with_layers: bool,
    pub(crate) record: Record,
}

impl Recorder<'_> {
    pub(crate) fn losses(&mut self, losses: &Losses) {
        let named = [
            (signal::LOSS, losses.all),
            (signal::LOSS_GMASK, losses.gmask),
            (signal::LOSS_MASK, losses.mask),
            (signal::LOSS_TASK, losses.task),
            (signal::Z_LOSS, losses.z_loss),
        ];
        for (signal, mean) in named {
            if let Some(value) = mean.value() {
                self.record.set(signal, value);
            }
        }
    }

    /// What the step used.
    pub(crate) fn schedule(&mut self, config: &Config, lr: f64, loss_scale: f64, skipped: bool) {
        self.record.set(signal::LR, lr);
        self.record.set(signal::EGS_ALPHA, config.egs.alpha);
        self.record
            .set(signal::BATCH_SIZE, config.samples_per_step() as f64);
        if !config.tasks.sources.is_empty() {
            self.record.set(signal::TASKS_RATIO, config.tasks.ratio);
        }
        self.record.set(signal::LOSS_SCALE, loss_scale);
        self.record
            .set(signal::SKIPPED, f64::from(u8::from(skipped)));
    }

    /// Sequences and token slots consumed since the start of the run.
    pub(crate) fn consumed(&mut self, Samples(samples): Samples, seq_len: usize) {
        self.record.set(signal::SAMPLES, samples as f64);
        self.record
            .set(signal::TOKENS, (samples * seq_len as u64) as f64);
    }

    pub(crate) fn gradients(&mut self, norms: &GradientNorms, clip: Option<f64>) {
        let squared = &norms.squared;
        let embedding = norm(self.table, squared, |p| p.role == Role::Embedding);
        let global = norms.global();
        self.record.set(signal::GRAD_NORM, global);
        self.record.set(signal::GRAD_MAX, norms.largest);
        self.record.set(signal::GRAD_NORM_EMBEDDING, embedding);
        if let Some([input, logit]) = norms.paths {
            self.record
                .set(signal::GRAD_NORM_EMBEDDING_INPUT, input.sqrt());
            self.record
                .set(signal::GRAD_NORM_EMBEDDING_LOGIT, logit.sqrt());
        }
        // Neither means anything without a finite norm, and a stand-in would enter averages.
        if global.is_finite() {
            let share = if global > 0.0 {
                (embedding / global).powi(2)
            } else {
                0.0
            };
            self.record.set(signal::EMBEDDING_SHARE, share);
        }
        if let Some(clip) = clip {
            self.record.set(signal::CLIP_COEFFICIENT, clip);
        }
        if self.with_layers {
            self.layer_norms(signal::LAYER_GRAD_NORM, squared, |_| true);
            self.layer_norms(signal::LAYER_GRAD_NORM_ATTENTION, squared, |p| {
                p.role == Role::Attention
            });
            self.layer_norms(signal::LAYER_GRAD_NORM_FFN, squared, |p| {
                p.role == Role::Ffn
            });
            self.layer_norms(signal::LAYER_GRAD_NORM_NORM, squared, |p| {
                p.role == Role::Norm
            });
        }
    }

    /// What the update did; a skipped step has none.
    pub(crate) fn update(&mut self, reports: &[UpdateReport], len: usize) {
        let updates: Vec<f64> = reports.iter().map(|r| r.update_squared).collect();
        let weights: Vec<f64> = reports.iter().map(|r| r.weight_squared).collect();
        let surprise: f64 = reports.iter().map(|r| r.surprise).sum();
        self.record
            .set(signal::UPDATE_NORM, norm(self.table, &updates, |_| true));
        let embedding = norm(self.table, &updates, |p| p.role == Role::Embedding);
        self.record.set(signal::UPDATE_NORM_EMBEDDING, embedding);
        self.record
            .set(signal::PARAM_NORM, norm(self.table, &weights, |_| true));
        self.record
            .set(signal::ADAM_RMS, (surprise / len as f64).sqrt());
        if self.with_layers {
            self.layer_norms(signal::LAYER_PARAM_NORM, &weights, |_| true);
            self.layer_norms(signal::LAYER_UPDATE_NORM, &updates, |_| true);
        }
    }

    /// What was read from the forward passes.
    pub(crate) fn layers(&mut self, readings: Option<&Readings>) {
        let Some(readings) = readings else { return };
        for (signal, largest) in readings.largest() {
            self.record.set(signal, largest);
        }
        for (signal, values) in readings.layers() {
            self.record.set_layers(signal, values.to_vec());
        }
    }

    pub(crate) fn range(&mut self, report: RangeReport) {
        let counts = |counts: Vec<u64>| counts.into_iter().map(|c| c as f64).collect();
        self.record
            .set(signal::OVERFLOW_COUNT, report.overflow as f64);
        self.record
            .set(signal::UNDERFLOW_COUNT, report.underflow as f64);
        if self.with_layers {
            self.record
                .set_layers(signal::LAYER_OVERFLOW_COUNT, counts(report.layer_overflow));
            self.record.set_layers(
                signal::LAYER_UNDERFLOW_COUNT,
                counts(report.layer_underflow),
            );
        }
    }

    fn layer_norms(
        &mut self,
        signal: PerLayer,
        squared: &[f64],
        select: impl Fn(&Parameter) -> bool,
    ) {
        let norms = per_layer(self.table, squared, self.layers, select);
        self.record.set_layers(signal, norms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;
    use experiments_config::ModelConfig;

    #[test]
    fn layers_and_the_rest_add_up_to_the_global_norm() {
        let model = ModelConfig {
            layers: 2,
            hidden_size: 8,
            ffn_hidden_size: 8,
            ..ModelConfig::default()
        };
        let parameters = Parameters::initialise(&model, 16, 3);
        let gradient: Vec<f32> = (0..parameters.len()).map(|i| (i as f32).sin()).collect();
        let table = parameters.table().iter();
        let sizes: Vec<_> = table
            .map(|p| Size {
                squared: kernels::slices::sum_of_squares(&gradient[p.range.clone()]),
                largest: if p.name.starts_with("final") {
                    2.0
                } else {
                    0.5
                },
            })
            .collect();
        let mut norms = GradientNorms::new(&sizes, Some([1.0, 4.0]));
        let mut recorder = Recorder {
            table: parameters.table(),
            layers: 2,
            with_layers: true,
            record: Record::new(1),
        };
        recorder.gradients(&norms, Some(1.0));
        let record = recorder.record;
        let value = |name| record.scalar(name).unwrap();
        let final_norm = norm(parameters.table(), &norms.squared, |p| {
            p.name.starts_with("final")
        });
        let layers: f64 = record.layers["layer_grad_norm"].iter().map(|n| n * n).sum();
        let sum = layers + value("grad_norm_embedding").powi(2) + final_norm.powi(2);
        assert!((sum.sqrt() / value("grad_norm") - 1.0).abs() < 1e-12);
        let roles: f64 = ["attention", "ffn", "norm"]
            .iter()
            .flat_map(|role| &record.layers[format!("layer_grad_norm_{role}").as_str()])
            .map(|n| n * n)
            .sum();
        assert!((roles / layers - 1.0).abs() < 1e-12);
        assert_eq!(value("grad_norm_embedding_logit"), 2.0);
        assert_eq!(value("grad_max"), 2.0);
        norms.note_overflow(0.0);
        assert_eq!(norms.largest, 2.0);
        norms.note_overflow(0.7);
        assert_eq!(norms.largest, 0.7);
        let sizes = [1.0, f32::NAN, 2.0].map(|largest| Size {
            squared: 0.0,
            largest,
        });
        assert!(GradientNorms::new(&sizes, None).largest.is_nan());
        assert!(value("embedding_share") > 0.0 && value("embedding_share") < 1.0);
    }
}
