//! The proxy's parameters: one flat FP32 master buffer and a table that says what lies where.

use crate::random::stream;
use experiments_config::{ModelConfig, Norm};
use rand_distr::{Distribution, StandardNormal};
use std::ops::Range;

/// What a parameter does. Norms are recorded per role, weight decay depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Input embedding, and output projection too when tied.
    Embedding,
    /// Output projection of its own.
    Head,
    /// QKV and attention output.
    Attention,
    /// Both feed-forward matrices.
    Ffn,
    /// Layer norm.
    Norm,
}

/// How a parameter starts.
#[derive(Debug, Clone, PartialEq)]
enum Init {
    /// All elements equal.
    Constant(f32),
    /// Normal with one standard deviation per band of rows: `(rows, std)`.
    Normal(Vec<(usize, f64)>),
}

/// One named tensor of the model.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Stable name, as in checkpoints: `layers.3.attention.qkv.weight`.
    pub name: String,
    /// `[out, in]` for matrices as in `PyTorch`, `[n]` for biases and norms.
    pub shape: Vec<usize>,
    /// Role.
    pub role: Role,
    /// Layer counted from 0; absent outside the layers.
    pub layer: Option<usize>,
    /// Whether weight decay applies: matrices and embeddings, not norms and biases.
    pub decay: bool,
    /// Place in the flat buffer.
    pub range: Range<usize>,
    init: Init,
}

/// All parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    table: Vec<Parameter>,
    values: Vec<f32>,
}

impl Parameters {
    /// The table for a model, initialised from `seed`. Each parameter has a stream of its own by
    /// name, and the arrangement's gain only scales what is drawn, so arms that differ in the norm
    /// arrangement share their underlying draws.
    #[must_use]
    pub fn initialise(model: &ModelConfig, vocab_size: usize, seed: u64) -> Self {
        let table = Layout::new(model, vocab_size).table;
        let mut values = vec![0.0; table.last().map_or(0, |p| p.range.end)];
        for parameter in &table {
            fill(parameter, &mut values[parameter.range.clone()], seed);
        }
        Self { table, values }
    }

    /// What lies where.
    #[must_use]
    pub fn table(&self) -> &[Parameter] {
        &self.table
    }

    /// All master weights.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All master weights, to be updated.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The table, and all master weights to be updated.
    pub fn split_mut(&mut self) -> (&[Parameter], &mut [f32]) {
        (&self.table, &mut self.values)
    }

    /// Number of scalars.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Index in the table of a parameter by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.table.iter().position(|p| p.name == name)
    }
}

fn fill(parameter: &Parameter, values: &mut [f32], seed: u64) {
    match &parameter.init {
        Init::Constant(value) => values.fill(*value),
        Init::Normal(bands) => {
            let mut generator = stream(seed, &format!("init/{}", parameter.name), 0);
            let columns = parameter.shape[1];
            let mut rows = values.chunks_mut(columns);
            for (count, std) in bands {
                for row in rows.by_ref().take(*count) {
                    for value in row {
                        let draw: f64 = StandardNormal.sample(&mut generator);
                        *value = (draw * std) as f32;
                    }
                }
            }
        }
    }
}

/// Xavier (Glorot) normal standard deviation for one matrix.
fn xavier(fan_in: usize, fan_out: usize) -> f64 {
    (2.0 / (fan_in + fan_out) as f64).sqrt()
}

/// Lays parameters out one after another.
struct Layout {
    table: Vec<Parameter>,
}

impl Layout {
    fn new(model: &ModelConfig, vocab_size: usize) -> Self {
        let mut layout = Self { table: Vec::new() };
        let (h, v) = (model.hidden_size, vocab_size);
        let embedding = Init::Normal(vec![(v, model.embedding_std(v))]);
        layout.add(
            "embedding.weight",
            None,
            Role::Embedding,
            &[v, h],
            embedding.clone(),
        );
        for layer in 0..model.layers {
            layout.add_layer(model, layer);
        }
        layout.add_norm("final_norm", None, h);
        if !model.tie_embeddings {
            layout.add("head.weight", None, Role::Head, &[v, h], embedding);
        }
        layout
    }

    /// GLM-130B §2.1: gain β on value, attention output and feed-forward, 1 on query and key.
    /// The GLU halves are separate matrices of fan h and f that share one tensor.
    fn add_layer(&mut self, model: &ModelConfig, layer: usize) {
        let (h, f) = (model.hidden_size, model.ffn_hidden_size);
        let gain = model.gain();
        let square = xavier(h, h);
        let qkv = vec![(2 * h, square), (h, gain * square)];
        let inner = gain * xavier(h, f);
        let at = Some(layer);
        let name = |rest: &str| format!("layers.{layer}.{rest}");
        self.add_norm(&name("attention_norm"), at, h);
        self.add_linear(
            &name("attention.qkv"),
            at,
            Role::Attention,
            [3 * h, h],
            qkv,
            model.bias,
        );
        let out = vec![(h, gain * square)];
        self.add_linear(
            &name("attention.out"),
            at,
            Role::Attention,
            [h, h],
            out,
            model.bias,
        );
        self.add_norm(&name("ffn_norm"), at, h);
        let up = vec![(2 * f, inner)];
        self.add_linear(&name("ffn.up"), at, Role::Ffn, [2 * f, h], up, model.bias);
        let down = vec![(h, inner)];
        self.add_linear(&name("ffn.down"), at, Role::Ffn, [h, f], down, model.bias);
        if model.norm == Norm::Sandwich {
            self.add_norm(&name("attention_out_norm"), at, h);
            self.add_norm(&name("ffn_out_norm"), at, h);
        }
    }

    fn add_linear(
        &mut self,
        name: &str,
        layer: Option<usize>,
        role: Role,
        shape: [usize; 2],
        bands: Vec<(usize, f64)>,
        bias: bool,
    ) {
        self.add(
            &format!("{name}.weight"),
            layer,
            role,
            &shape,
            Init::Normal(bands),
        );
        if bias {
            self.add(
                &format!("{name}.bias"),
                layer,
                role,
                &shape[..1],
                Init::Constant(0.0),
            );
        }
    }

    fn add_norm(&mut self, name: &str, layer: Option<usize>, width: usize) {
        let shape = [width];
        self.add(
            &format!("{name}.weight"),
            layer,
            Role::Norm,
            &shape,
            Init::Constant(1.0),
        );
        self.add(
            &format!("{name}.bias"),
            layer,
            Role::Norm,
            &shape,
            Init::Constant(0.0),
        );
    }

    fn add(&mut self, name: &str, layer: Option<usize>, role: Role, shape: &[usize], init: Init) {
        let start = self.table.last().map_or(0, |p| p.range.end);
        self.table.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            role,
            layer,
            decay: shape.len() == 2,
            range: start..start + shape.iter().product::<usize>(),
            init,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(norm: Norm) -> ModelConfig {
        ModelConfig {
            norm,
            ..ModelConfig::default()
        }
    }

    fn std_of(parameters: &Parameters, name: &str, rows: Range<usize>) -> f64 {
        let parameter = &parameters.table[parameters.find(name).unwrap()];
        let columns = parameter.shape[1];
        let values = &parameters.values[parameter.range.clone()];
        let band = &values[rows.start * columns..rows.end * columns];
        (band.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / band.len() as f64).sqrt()
    }

    #[test]
    fn the_table_has_as_many_scalars_as_the_formula() {
        for norm in Norm::ALL {
            for tie_embeddings in [true, false] {
                let model = ModelConfig {
                    tie_embeddings,
                    ..model(norm)
                };
                let parameters = Parameters::initialise(&model, 300, 1);
                assert_eq!(
                    parameters.len() as u64,
                    model.parameter_count(300),
                    "{norm:?}"
                );
            }
        }
    }

    #[test]
    fn deepnorm_scales_value_and_out_but_not_query_and_key() {
        let model = model(Norm::DeepnormGlm);
        let parameters = Parameters::initialise(&model, 300, 1);
        let (h, gain) = (64, (2.0 * 6.0_f64).sqrt().recip());
        let square = (1.0 / h as f64).sqrt();
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.05, "{a} against {b}");
        close(
            std_of(&parameters, "layers.2.attention.qkv.weight", 0..2 * h),
            square,
        );
        close(
            std_of(&parameters, "layers.2.attention.qkv.weight", 2 * h..3 * h),
            gain * square,
        );
        close(
            std_of(&parameters, "layers.2.attention.out.weight", 0..h),
            gain * square,
        );
        let ffn = gain * (2.0 / (64.0 + 128.0_f64)).sqrt();
        close(std_of(&parameters, "layers.2.ffn.up.weight", 0..256), ffn);
        close(std_of(&parameters, "layers.2.ffn.down.weight", 0..h), ffn);
        close(
            std_of(&parameters, "embedding.weight", 0..300),
            (2.0 / 364.0_f64).sqrt(),
        );
    }

    #[test]
    fn arms_of_one_seed_share_their_draws() {
        let post = Parameters::initialise(&model(Norm::Post), 300, 7);
        let glm = Parameters::initialise(&model(Norm::DeepnormGlm), 300, 7);
        let table = post.table.iter().zip(&glm.table);
        for (a, b) in table.filter(|(a, _)| a.name.ends_with("out.weight")) {
            let ratio = glm.values[b.range.start] / post.values[a.range.start];
            assert!((f64::from(ratio) - (12.0_f64).sqrt().recip()).abs() < 1e-5);
        }
    }

    #[test]
    fn norms_and_biases_do_not_decay() {
        let parameters = Parameters::initialise(&model(Norm::Post), 300, 7);
        for p in parameters.table() {
            assert_eq!(
                p.decay,
                p.name.ends_with(".weight") && !p.name.contains("norm"),
                "{}",
                p.name
            );
        }
    }
}
