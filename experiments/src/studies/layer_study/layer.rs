//! One layer in any of the norm arrangements.

use super::attention::{Attention, Saved as AttentionSaved};
use super::gelu::{gelu, gelu_backward};
use super::linear::Linear;
use super::norm::Norm;
use super::stats::{Pass, Recorder};
use crate::parameters::{Init, Parameter};
use experiments_config::{Config, Format, ModelConfig, Residual};

/// Names of the norms before both sub-layers, and of those after them.
const NORMS: [&str; 2] = ["attention_norm", "ffn_norm"];
const OUT_NORMS: [&str; 2] = ["attention_out_norm", "ffn_out_norm"];

/// A layer's weights, in the format of the pass.
pub(super) struct Layer {
    name: String,
    /// Weight α of the norm's output, where that goes past a sub-layer instead of the stream.
    alpha: Option<f32>,
    attention: Attention,
    up: Linear,
    down: Linear,
    /// Before attention and feed-forward.
    norms: Option<[Norm; 2]>,
    /// After them.
    out_norms: Option<[Norm; 2]>,
}

/// Kept for the backward pass, `[s, h]` where nothing else is said.
pub(super) struct Saved {
    x_sh: Vec<f32>,
    y_sh: Vec<f32>,
    attention: AttentionSaved,
    /// Output of attention, where a norm follows it.
    attention_out_sh: Option<Vec<f32>>,
    middle_sh: Vec<f32>,
    z_sh: Vec<f32>,
    /// `[s, 2f]`
    up_s2f: Vec<f32>,
    /// `[s, f]`
    gate_sf: Vec<f32>,
    down_sh: Option<Vec<f32>>,
}

/// A layer's parameters by the rest of their names.
struct Drawer<'a> {
    table: &'a [Parameter],
    name: &'a str,
    seed: u64,
    model: &'a ModelConfig,
}

impl Drawer<'_> {
    /// # Panics
    /// If the table lacks the name: both come from the same configuration.
    fn find(&self, rest: &str) -> &Parameter {
        let name = format!("{}.{rest}", self.name);
        let found = self.table.iter().find(|p| p.name == name);
        found.expect("layer and table agree on names")
    }

    fn values(&self, rest: &str) -> Vec<f32> {
        let parameter = self.find(rest);
        let mut values = Vec::with_capacity(parameter.range.len());
        values.extend(parameter.draws(self.seed));
        values
    }

    fn norm(&self, part: &str) -> Norm {
        Norm {
            name: format!("{}.{part}", self.name),
            gamma: self.values(&format!("{part}.weight")),
            beta: self.values(&format!("{part}.bias")),
            eps: self.model.layer_norm_eps,
        }
    }

    fn linear(&self, part: &str, recorder: &mut Recorder) -> Linear {
        let weight = format!("{part}.weight");
        let mut weight_oi = self.values(&weight);
        // QKV holds matrices of different scale: each has its own statistics.
        let parameter = self.find(&weight);
        let bands = match &parameter.init {
            Init::Normal(bands) => bands.as_slice(),
            Init::Constant(_) => &[],
        };
        let [outputs, inputs] = [0, 1].map(|i| parameter.shape[i]);
        let mut rest = &mut weight_oi[..];
        for band in bands {
            let (own, after) = rest.split_at_mut(band.rows * inputs);
            rest = after;
            let name = format!("{}.{weight} ({})", self.name, band.part);
            recorder.store(&name, Pass::Weight, own);
        }
        let bias = || self.values(&format!("{part}.bias"));
        Linear {
            name: format!("{}.{part}", self.name),
            outputs,
            bias_o: self.model.bias.then(bias),
            weight_oi,
            inputs,
        }
    }
}

impl Layer {
    /// The layer of the full model with that number: the same draws.
    pub(super) fn draw(
        config: &Config,
        table: &[Parameter],
        number: usize,
        recorder: &mut Recorder,
    ) -> Self {
        let (model, precision) = (&config.model, &config.precision);
        let name = format!("layers.{number}");
        let drawer = Drawer {
            table,
            name: &name,
            seed: config.seed,
            model,
        };
        let scaling = precision.query_key_layer_scaling;
        let attention = Attention {
            name: format!("{name}.attention"),
            qkv: drawer.linear("attention.qkv", recorder),
            out: drawer.linear("attention.out", recorder),
            num_heads: model.num_heads,
            missing: if scaling { (number + 1) as f64 } else { 1.0 },
            prefix: 0,
            softmax_half: match precision.softmax {
                Format::Fp32 => false,
                Format::Fp16 | Format::Bf16 => true,
            },
            rope_base: model.rope_base,
        };
        let norms = |parts: [&str; 2]| parts.map(|part| drawer.norm(part));
        Self {
            alpha: match model.norm.row().residual {
                Residual::Norm { alpha } => Some(alpha.at(model.layers) as f32),
                Residual::Stream { .. } => None,
            },
            attention,
            up: drawer.linear("ffn.up", recorder),
            down: drawer.linear("ffn.down", recorder),
            norms: model.norm.is_before().then(|| norms(NORMS)),
            out_norms: model.norm.is_after().then(|| norms(OUT_NORMS)),
            name,
        }
    }

    /// Slots seen by all.
    pub(super) fn with_prefix(mut self, prefix: usize) -> Self {
        self.attention.prefix = prefix;
        self
    }

    fn label(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// # Shapes
    /// - x and output: `[s, h]`
    pub(super) fn forward(
        &self,
        x_sh: Vec<f32>,
        tokens: usize,
        recorder: &mut Recorder,
    ) -> (Vec<f32>, Saved) {
        recorder.look(&self.label("input"), Pass::Forward, &x_sh);
        let y_sh = self.read(0, &x_sh, recorder);
        let (branch, attention) = self.attention.forward(&y_sh, tokens, recorder);
        let (branch, attention_out_sh) = self.out_norm(0, branch, recorder);
        let middle_sh = self.join("attention", [&x_sh, &y_sh], &branch, recorder);
        drop(branch);

        let z_sh = self.read(1, &middle_sh, recorder);
        let mut up_s2f = self.up.forward(&z_sh, tokens);
        recorder.store(&self.label("ffn.up"), Pass::Forward, &mut up_s2f);
        let f = self.down.inputs;
        let mut gate_sf = gelu(halves(&up_s2f, f).1);
        recorder.store(&self.label("ffn.gelu"), Pass::Forward, &mut gate_sf);
        let mut product_sf = product(&halves(&up_s2f, f).0, &gate_sf);
        recorder.store(&self.label("ffn.glu"), Pass::Forward, &mut product_sf);
        let mut branch = self.down.forward(&product_sf, tokens);
        drop(product_sf);
        recorder.store(&self.label("ffn.down"), Pass::Forward, &mut branch);
        let (branch, down_sh) = self.out_norm(1, branch, recorder);
        let out_sh = self.join("ffn", [&middle_sh, &z_sh], &branch, recorder);
        let saved = Saved {
            x_sh,
            y_sh,
            attention,
            attention_out_sh,
            middle_sh,
            z_sh,
            up_s2f,
            gate_sf,
            down_sh,
        };
        (out_sh, saved)
    }

    /// What a sub-layer reads: the output of the norm before it, or the stream.
    fn read(&self, half: usize, x_sh: &[f32], recorder: &mut Recorder) -> Vec<f32> {
        let Some(norms) = &self.norms else {
            return x_sh.to_vec();
        };
        let mut y_sh = norms[half].forward(x_sh);
        recorder.store(&self.label(NORMS[half]), Pass::Forward, &mut y_sh);
        y_sh
    }

    /// The norm behind a sub-layer, with the input it saw.
    fn out_norm(
        &self,
        half: usize,
        branch: Vec<f32>,
        recorder: &mut Recorder,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let Some(norms) = &self.out_norms else {
            return (branch, None);
        };
        let mut y_sh = norms[half].forward(&branch);
        recorder.store(&self.label(OUT_NORMS[half]), Pass::Forward, &mut y_sh);
        (y_sh, Some(branch))
    }

    /// `αy + f` with a rounding each, or `x + f`.
    fn join(
        &self,
        part: &str,
        [x_sh, y_sh]: [&[f32]; 2],
        branch: &[f32],
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        let mut skip = if self.alpha.is_some() { y_sh } else { x_sh }.to_vec();
        if let Some(alpha) = self.alpha {
            for y in &mut skip {
                *y *= alpha;
            }
            recorder.store(
                &self.label(&format!("{part}.skip")),
                Pass::Forward,
                &mut skip,
            );
        }
        let name = self.label(&format!("{part}.sum"));
        let mut sum: Vec<f32> = skip.iter().zip(branch).map(|(x, f)| x + f).collect();
        recorder.store(&name, Pass::Forward, &mut sum);
        recorder.addition(&name, &skip, branch, &sum);
        sum
    }

    /// Returns the gradient of the input, `[s, h]`.
    pub(super) fn backward(
        &self,
        mut dout_sh: Vec<f32>,
        saved: Saved,
        tokens: usize,
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        let f = self.down.inputs;
        recorder.store(&self.label("ffn.sum"), Pass::Backward, &mut dout_sh);
        let dbranch = self.out_norm_backward(1, dout_sh.clone(), saved.down_sh, recorder);
        let (value_sf, pre_gate_sf) = halves(&saved.up_s2f, f);
        drop(saved.up_s2f);
        let mut product_sf = product(&value_sf, &saved.gate_sf);
        recorder.round(&mut product_sf);
        let mut dproduct_sf = self.down.backward(&dbranch, &product_sf, tokens, recorder);
        drop((dbranch, product_sf));
        recorder.store(&self.label("ffn.glu"), Pass::Backward, &mut dproduct_sf);
        let mut dgate_sf = product(&dproduct_sf, &value_sf);
        recorder.store(&self.label("ffn.gelu"), Pass::Backward, &mut dgate_sf);
        let dgate_sf = gelu_backward(pre_gate_sf, dgate_sf);
        let dvalue_sf = product(&dproduct_sf, &saved.gate_sf);
        drop((dproduct_sf, value_sf));
        let mut dup_s2f = Vec::with_capacity(2 * dvalue_sf.len());
        for (value, gate) in dvalue_sf.chunks_exact(f).zip(dgate_sf.chunks_exact(f)) {
            dup_s2f.extend_from_slice(value);
            dup_s2f.extend_from_slice(gate);
        }
        drop((dvalue_sf, dgate_sf));
        recorder.store(&self.label("ffn.up"), Pass::Backward, &mut dup_s2f);
        let dz_sh = self.up.backward(&dup_s2f, &saved.z_sh, tokens, recorder);
        drop(dup_s2f);
        let mut dmiddle = self.norm_backward(1, dz_sh, &dout_sh, &saved.middle_sh, recorder);

        recorder.store(&self.label("attention.sum"), Pass::Backward, &mut dmiddle);
        let dbranch = self.out_norm_backward(0, dmiddle.clone(), saved.attention_out_sh, recorder);
        let attention = &self.attention;
        let dy_sh = attention.backward(&dbranch, &saved.y_sh, saved.attention, tokens, recorder);
        let mut dx_sh = self.norm_backward(0, dy_sh, &dmiddle, &saved.x_sh, recorder);
        recorder.store(&self.label("input"), Pass::Backward, &mut dx_sh);
        dx_sh
    }

    fn out_norm_backward(
        &self,
        half: usize,
        mut dbranch: Vec<f32>,
        input: Option<Vec<f32>>,
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        if let (Some(norms), Some(input)) = (&self.out_norms, input) {
            recorder.store(&self.label(OUT_NORMS[half]), Pass::Backward, &mut dbranch);
            dbranch = norms[half].backward(&dbranch, &input, recorder);
        }
        let name = ["attention.out", "ffn.down"][half];
        recorder.store(&self.label(name), Pass::Backward, &mut dbranch);
        dbranch
    }

    /// From the gradient of a sub-layer's input and of its residual sum to that of what came before.
    fn norm_backward(
        &self,
        half: usize,
        mut dy_sh: Vec<f32>,
        dsum_sh: &[f32],
        x_sh: &[f32],
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        // Each consumer's gradient is rounded before the sum.
        recorder.round(&mut dy_sh);
        if let Some(alpha) = self.alpha {
            let mut skip = dsum_sh.to_vec();
            for g in &mut skip {
                *g *= alpha;
            }
            let name = ["attention.skip", "ffn.skip"][half];
            recorder.store(&self.label(name), Pass::Backward, &mut skip);
            dy_sh.iter_mut().zip(&skip).for_each(|(dy, g)| *dy += g);
        }
        let mut dx_sh = match &self.norms {
            Some(norms) => {
                recorder.store(&self.label(NORMS[half]), Pass::Backward, &mut dy_sh);
                norms[half].backward(&dy_sh, x_sh, recorder)
            }
            None => dy_sh,
        };
        if self.alpha.is_some() {
            return dx_sh;
        }
        recorder.round(&mut dx_sh);
        dx_sh.iter_mut().zip(dsum_sh).for_each(|(dx, g)| *dx += g);
        dx_sh
    }
}

/// Both halves of rows `2f` wide.
fn halves(up_s2f: &[f32], f: usize) -> (Vec<f32>, Vec<f32>) {
    let mut halves = (
        Vec::with_capacity(up_s2f.len() / 2),
        Vec::with_capacity(up_s2f.len() / 2),
    );
    for row in up_s2f.chunks_exact(2 * f) {
        halves.0.extend_from_slice(&row[..f]);
        halves.1.extend_from_slice(&row[f..]);
    }
    halves
}

fn product(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}
