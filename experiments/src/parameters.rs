//! The proxy's parameters: one flat FP32 master buffer and a table that says what lies where.

mod layout;

use crate::array::Array;
use crate::random::stream;
use experiments_config::ModelConfig;
use kernels::Ranges;
use layout::Layout;
use rand_distr::{Distribution, StandardNormal};
use std::collections::HashMap;
use std::ops::Range;

/// What a parameter does. Norms are recorded per role, weight decay depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Input embedding, and output projection too when tied.
    Embedding,
    /// Learned positions.
    Position,
    /// Output projection of its own.
    Head,
    /// QKV and attention output.
    Attention,
    /// Both feed-forward matrices.
    Ffn,
    /// Layer norm.
    Norm,
}

impl Role {
    /// All, in the order in which a forward pass meets them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Embedding,
        Self::Position,
        Self::Attention,
        Self::Ffn,
        Self::Norm,
        Self::Head,
    ];

    /// As signals name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Position => "position",
            Self::Head => "head",
            Self::Attention => "attention",
            Self::Ffn => "ffn",
            Self::Norm => "norm",
        }
    }
}

/// How a parameter starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Init {
    /// All elements equal.
    Constant(f32),
    /// Normal, band by band.
    Normal(Vec<Band>),
}

/// Rows of a matrix that are drawn alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Band {
    /// What the rows are, for example `query`.
    pub(crate) part: &'static str,
    /// How many.
    pub(crate) rows: usize,
    /// Standard deviation.
    pub(crate) std: f64,
}

/// One named tensor of the model.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Stable name, as in checkpoints: `layers.3.attention.qkv.weight`.
    pub(crate) name: String,
    /// `[out, in]` for matrices as in `PyTorch`, `[n]` for biases and norms.
    pub(crate) shape: Vec<usize>,
    /// Role.
    pub(crate) role: Role,
    /// Layer counted from 0; absent outside the layers.
    pub(crate) layer: Option<usize>,
    /// Whether weight decay applies: matrices and embeddings, not norms and biases.
    pub(crate) decay: bool,
    /// Place in the flat buffer.
    pub(crate) range: Range<usize>,
    /// How it starts.
    pub(crate) init: Init,
}

/// All parameters.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    table: Vec<Parameter>,
    /// Place in the table by name.
    index: HashMap<String, usize>,
    /// What lies where, without names.
    ranges: Ranges,
    values: Array,
}

impl Parameters {
    /// Index in the table of the input embedding, which always comes first.
    pub(crate) const EMBEDDING: usize = 0;

    /// The table for a model, initialised from `seed`. Each parameter has a stream of its own by
    /// name, and the arrangement's gain only scales what is drawn, so arms that differ in the norm
    /// arrangement share their underlying draws.
    #[must_use]
    pub(crate) fn initialise(model: &ModelConfig, vocab_size: usize, seed: u64) -> Self {
        Self::draw(Parameter::table(model, vocab_size), seed)
    }

    /// Any table, initialised from `seed`.
    pub(crate) fn draw(table: Vec<Parameter>, seed: u64) -> Self {
        let values = table.iter().flat_map(|p| p.draws(seed)).collect();
        Self::new(table, values)
    }

    /// All zero, to be filled from a file.
    pub(crate) fn zeros(table: Vec<Parameter>) -> Self {
        let len = table.last().map_or(0, |p| p.range.end);
        Self::new(table, vec![0.0; len])
    }

    /// With these values, in which the ranges of the table lie. One that is empty is of a parameter that is held elsewhere; nothing
    /// but a reader of text can do with such a table.
    pub(crate) fn new(table: Vec<Parameter>, values: Vec<f32>) -> Self {
        let names = table.iter().enumerate();
        Self {
            index: names.map(|(i, p)| (p.name.clone(), i)).collect(),
            ranges: Ranges::new(table.iter().map(|parameter| parameter.range.len())),
            table,
            values: values.into(),
        }
    }

    /// What lies where.
    #[must_use]
    pub(crate) fn table(&self) -> &[Parameter] {
        &self.table
    }

    /// What lies where, without names.
    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// All master weights.
    #[must_use]
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, wherever they lie.
    pub(crate) fn array(&self) -> &Array {
        &self.values
    }

    /// The same, to be replaced.
    pub(crate) fn array_mut(&mut self) -> &mut Array {
        &mut self.values
    }

    /// All master weights, to be updated.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The table, and all master weights to be updated.
    pub(crate) fn split_mut(&mut self) -> (&[Parameter], &mut [f32]) {
        (&self.table, &mut self.values)
    }

    /// Number of scalars.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Index in the table of a parameter by name.
    #[must_use]
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }
}

impl Parameter {
    /// The table of a model, without values.
    #[must_use]
    pub(crate) fn table(model: &ModelConfig, vocab_size: usize) -> Vec<Self> {
        Layout::new(model, vocab_size).table
    }

    /// The parameter with no rows but so many of one band that at least `values` are drawn: a sample
    /// of matrices that are too large to be drawn whole.
    pub(crate) fn sample_of(&self, band: Band, values: usize) -> Self {
        let columns = self.shape[1];
        let rows = band.rows.min(values.div_ceil(columns));
        Self {
            shape: vec![rows, columns],
            range: 0..rows * columns,
            init: Init::Normal(vec![Band { rows, ..band }]),
            ..self.clone()
        }
    }

    /// Initial values in order, as many as are taken.
    pub(crate) fn draws(&self, seed: u64) -> Box<dyn Iterator<Item = f32> + '_> {
        let len = self.range.len();
        let bands = match &self.init {
            Init::Constant(value) => return Box::new(std::iter::repeat_n(*value, len)),
            Init::Normal(bands) => bands,
        };
        let mut generator = stream(seed, &format!("init/{}", self.name), 0);
        let columns = self.shape[1];
        let stds = bands
            .iter()
            .flat_map(move |band| std::iter::repeat_n(band.std, band.rows * columns));
        Box::new(stds.map(move |std| {
            let draw: f64 = StandardNormal.sample(&mut generator);
            (draw * std) as f32
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::{Ffn, Norm, Positions};

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
        let variants = [
            ModelConfig::default(),
            ModelConfig {
                tie_embeddings: false,
                positions: Positions::Learned,
                embedding_norm: true,
                ..ModelConfig::default()
            },
            ModelConfig {
                ffn: Ffn::Gelu,
                qk_norm: true,
                bias: false,
                ..ModelConfig::default()
            },
        ];
        for norm in Norm::ALL {
            for variant in &variants {
                let model = ModelConfig {
                    norm,
                    ..variant.clone()
                };
                let parameters = Parameters::initialise(&model, 300, 1);
                let expected = model.parameter_count(300);
                assert_eq!(parameters.len() as u64, expected, "{norm:?}");
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

    /// The factor moves query and key alone, and absent it is 1 to the last bit.
    #[test]
    fn the_qk_gain_scales_query_and_key_only() {
        let mut scaled = model(Norm::DeepnormGlm);
        let plain = Parameters::initialise(&scaled, 300, 7);
        for gain in [1.0, 4.0] {
            scaled.init.qk_gain = Some(gain);
            let found = Parameters::initialise(&scaled, 300, 7);
            for (i, (a, b)) in plain.values.iter().zip(found.values.iter()).enumerate() {
                let query_or_key = plain.table.iter().any(|p| {
                    p.name.ends_with("qkv.weight")
                        && p.range.contains(&i)
                        && i - p.range.start < 2 * 64 * 64
                });
                let factor = if query_or_key { gain as f32 } else { 1.0 };
                assert_eq!(*b, a * factor, "scalar {i}");
            }
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
