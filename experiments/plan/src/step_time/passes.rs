//! Seconds of one micro-batch through one layer and through the output, on one GPU.
//!
//! A product of `[m, k]` by `[k, n]` takes its operations at the share of the peak that large products attain, or its
//! three matrices' way through memory, whichever is longer, since kernels load beside computing: so narrow matrices,
//! which many tensor ranks make, and small micro-batches are slower. Everything outside of products is bound by memory. A backward pass is two
//! forward passes, that of `FlashAttention` two and a half (it computes the scores again).

use super::coefficients::{Coefficient, Coefficients};
use crate::hardware::{Generation, Gpu};
use crate::memory::element;
use crate::{Layout, PlanError, PlanOptions, Recompute, Trainer};
use experiments_config::Config;

/// Share of the memory's rate that kernels attain.
const MEMORY_SHARE: f64 = 0.85;
/// Passes over the residual stream in a layer's forward pass: two norms read and write it; bias, dropout and
/// residual of both sub-layers read two tensors and a mask and write one.
const STREAM_PASSES: f64 = 11.0;
/// Passes over the scores forward: written by their product, read and written by softmax, read and written by
/// dropout with its mask, read by the product with the values.
const SCORE_PASSES: f64 = 5.5;
/// The same in the backward pass.
const SCORE_PASSES_BACK: f64 = 9.0;
/// Launching the kernels of a layer's forward pass, in seconds.
const LAUNCH: f64 = 1e-5;

/// Of work that overlaps, the sum of the sixth powers counts: nearly the longer of the two.
const OVERLAP: i32 = 6;

/// Seconds of two works beside each other.
pub(super) fn overlapped(a: f64, b: f64) -> f64 {
    (a.powi(OVERLAP) + b.powi(OVERLAP)).powf(f64::from(OVERLAP).recip())
}

/// Where the seconds of a pass go.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Parts {
    /// Matrix products of weights.
    pub(super) products: f64,
    /// Attention between projections.
    pub(super) attention: f64,
    /// Everything else, bound by memory.
    pub(super) elementwise: f64,
    /// Launches and what the trainer adds to each layer.
    pub(super) fixed: f64,
}

impl Parts {
    pub(super) fn seconds(&self) -> f64 {
        self.products + self.attention + self.elementwise + self.fixed
    }
}

impl std::ops::Add for Parts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            products: self.products + other.products,
            attention: self.attention + other.attention,
            elementwise: self.elementwise + other.elementwise,
            fixed: self.fixed + other.fixed,
        }
    }
}

impl std::ops::Mul<f64> for Parts {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            products: self.products * factor,
            attention: self.attention * factor,
            elementwise: self.elementwise * factor,
            fixed: self.fixed * factor,
        }
    }
}

/// Forward pass, and backward pass with what is recomputed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passes {
    pub(super) forward: Parts,
    pub(super) backward: Parts,
}

/// What the GPU attains.
pub(super) struct Rates {
    /// Operations per second of large products.
    products: f64,
    /// Operations per second of `FlashAttention`.
    flash: f64,
    /// Bytes per second.
    memory: f64,
    /// The share of the peak behind `products`.
    pub(super) share: f64,
}

impl Rates {
    /// The options' efficiency replaces what the fit or the GPU's file says of large products.
    pub(super) fn of(
        gpu: &Gpu,
        config: &Config,
        trainer: Trainer,
        options: &PlanOptions,
        c: &Coefficients,
    ) -> Result<Self, PlanError> {
        let peak = gpu.peak(config.precision.format)?;
        let share = options
            .efficiency
            .or(gpu.product_efficiency)
            .unwrap_or_else(|| products(gpu.generation, c));
        let flash = c.of(match (gpu.generation, trainer) {
            (Generation::Ampere | Generation::Other, _) => Coefficient::FlashAmpere,
            (_, Trainer::MegatronCore) => Coefficient::FlashCore,
            (_, Trainer::MegatronLm | Trainer::MegatronDeepspeed | Trainer::Fsdp) => {
                Coefficient::FlashHopper
            }
        });
        Ok(Self {
            products: peak
                * share
                * if options.fp8 {
                    c.of(Coefficient::Fp8)
                } else {
                    1.0
                },
            flash: peak * flash,
            memory: gpu.memory_bandwidth * MEMORY_SHARE,
            share,
        })
    }

    /// `[m, k]` by `[k, n]`.
    fn product(&self, [m, n, k]: [f64; 3], element: f64) -> f64 {
        overlapped(
            2.0 * m * n * k / self.products,
            element * (m * k + k * n + m * n) / self.memory,
        )
    }
}

/// The share of the peak that large products attain; that of a GPU without a measurement lies between those
/// of the GPUs with one.
fn products(generation: Generation, c: &Coefficients) -> f64 {
    use Coefficient::{ProductsAmpere, ProductsBlackwell, ProductsHopper};
    match generation {
        Generation::Ampere => c.of(ProductsAmpere),
        Generation::Hopper => c.of(ProductsHopper),
        Generation::Blackwell => c.of(ProductsBlackwell),
        Generation::Other => f64::midpoint(c.of(ProductsAmpere), c.of(ProductsHopper)),
    }
}

/// One micro-batch through one layer. `ring`: seconds that keys and values need to go round the context ranks.
pub(super) fn layer(
    config: &Config,
    layout: &Layout,
    trainer: Trainer,
    rates: &Rates,
    c: &Coefficients,
    ring: f64,
) -> Passes {
    let model = &config.model;
    let e = element(config.precision.format);
    let t = layout.tensor_parallel.max(1) as f64;
    let slots = layout.slots(model.seq_len);
    let (h, up, f) = (
        model.hidden_size as f64,
        model.ffn_up_size() as f64,
        model.ffn_hidden_size as f64,
    );
    let kv = model.kv_size() as f64;
    let products = [
        [slots, (h + kv) / t, h],
        [slots, h, h / t],
        [slots, up / t, h],
        [slots, h, f / t],
    ];
    let whole = if layout.sequence_parallel { t } else { 1.0 };
    let traffic = e * slots * (STREAM_PASSES * h / whole + (up + f + 3.0 * h) / t);
    let deepspeed = if trainer == Trainer::MegatronDeepspeed {
        c.of(Coefficient::DeepspeedLayer)
    } else {
        0.0
    };
    let [alone, alone_back] = attention(config, layout, rates, c);
    // Keys and values go round; on their way back their gradients do too.
    let core = overlapped(alone, ring);
    let core_back = overlapped(alone_back, 2.0 * ring);
    let forward = Parts {
        products: products.iter().map(|sizes| rates.product(*sizes, e)).sum(),
        attention: core,
        elementwise: c.of(Coefficient::Elementwise) * traffic / rates.memory,
        fixed: LAUNCH + deepspeed,
    };
    let mut backward = Parts {
        attention: core_back,
        ..forward * 2.0
    };
    match layout.recompute {
        Recompute::Full => backward = backward + forward * c.of(Coefficient::Recomputed),
        // FlashAttention has nothing to recompute beside what its backward pass does.
        Recompute::Selective if !layout.flash_attention => backward.attention += core,
        Recompute::Selective | Recompute::None => {}
    }
    Passes { forward, backward }
}

/// Attention between projections, forward and backward.
fn attention(config: &Config, layout: &Layout, rates: &Rates, c: &Coefficients) -> [f64; 2] {
    let model = &config.model;
    let e = element(config.precision.format);
    let t = layout.tensor_parallel.max(1) as f64;
    let pairs = layout.slots(model.seq_len) * model.seq_len as f64 / t;
    let operations = 4.0 * pairs * model.hidden_size as f64;
    if layout.flash_attention {
        // What a causal mask hides is not computed.
        let forward = operations / 2.0 / rates.flash;
        return [forward, 2.5 * forward];
    }
    let odd = !model.head_dim().is_multiple_of(8);
    let share = if odd {
        c.of(Coefficient::OddHeads)
    } else {
        1.0
    };
    let products = operations / (rates.products * share);
    let traffic = c.of(Coefficient::Scores) * e * pairs * model.num_heads as f64 / rates.memory;
    [
        products + SCORE_PASSES * traffic,
        2.0 * products + SCORE_PASSES_BACK * traffic,
    ]
}

/// The output projection and the loss, which reads and writes FP32 logits.
pub(super) fn head(config: &Config, layout: &Layout, rates: &Rates) -> Passes {
    let e = element(config.precision.format);
    let slots = layout.slots(config.model.seq_len);
    let vocab = layout.vocabulary(config) as f64 / layout.tensor_parallel.max(1) as f64;
    let forward = Parts {
        products: rates.product([slots, vocab, config.model.hidden_size as f64], e),
        elementwise: 8.0 * slots * vocab / rates.memory,
        ..Parts::default()
    };
    Passes {
        forward,
        backward: forward * 2.0,
    }
}
