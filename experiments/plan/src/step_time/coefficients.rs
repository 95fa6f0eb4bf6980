//! The numbers of the step-time model that are fitted to published steps.

use crate::PlanError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use words::named;

/// What is known of a coefficient before any step is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Belief {
    /// The value without any evidence.
    pub value: f64,
    /// The smallest and the largest value that is physically possible.
    pub range: (f64, f64),
    /// How strongly the value holds in a fit: a factor of e^(1/strength) costs as much as a row that is off by as much as
    /// errors of a step count in.
    pub strength: f64,
    /// What it is.
    pub about: &'static str,
}

/// Of a share or a factor.
const fn belief(value: f64, range: (f64, f64), about: &'static str) -> Belief {
    Belief {
        value,
        range,
        strength: 0.6,
        about,
    }
}

/// Of seconds, of which less is known.
const fn seconds(value: f64, range: (f64, f64), about: &'static str) -> Belief {
    Belief {
        strength: 0.2,
        ..belief(value, range, about)
    }
}

named! {
    /// A coefficient of the step-time model.
    pub enum Coefficient: Belief {
        /// Large matrix products, A100.
        ProductsAmpere = "products_ampere":
            belief(0.8, (0.3, 1.0), "share of the peak that large matrix products attain, A100"),
        /// Large matrix products, H100 and H200.
        ProductsHopper = "products_hopper":
            belief(0.7, (0.3, 1.0), "the same on H100 and H200"),
        /// Large matrix products, B200 and GB200.
        ProductsBlackwell = "products_blackwell":
            belief(0.65, (0.3, 1.0), "the same on B200 and GB200"),
        /// FP8 products.
        Fp8 = "fp8":
            belief(1.5, (1.0, 2.0), "factor on the rate of matrix products in FP8 over BF16"),
        /// `FlashAttention`, A100.
        FlashAmpere = "flash_ampere":
            belief(0.4, (0.05, 0.8), "share of the peak that FlashAttention attains, pairs behind the mask not counted, A100"),
        /// `FlashAttention` beside FSDP, H100 and later.
        FlashHopper = "flash_hopper":
            belief(0.3, (0.05, 0.8), "the same on later GPUs, without Megatron-Core"),
        /// cuDNN's attention in Megatron-Core, H100 and later.
        FlashCore = "flash_core":
            belief(0.45, (0.05, 0.7), "the same on later GPUs with Megatron-Core's kernels"),
        /// Passes over the scores of plain attention.
        Scores = "scores":
            belief(1.0, (0.2, 5.0), "factor on the counted memory traffic of attention scores without FlashAttention"),
        /// Passes over activations outside of products.
        Elementwise = "elementwise":
            belief(1.5, (0.3, 6.0), "factor on the counted memory traffic of norms, dropout, residuals and activations"),
        /// Recomputed against first forward pass.
        Recomputed = "recomputed":
            belief(1.0, (0.6, 1.1), "a recomputed forward pass, in forward passes"),
        /// Heads of a width that matrix units do not take.
        OddHeads = "odd_heads":
            belief(0.1, (0.005, 1.0), "share of the usual speed of attention products where the head's width is no multiple of 8"),
        /// Collectives of tensor parallelism.
        Tensor = "tensor":
            belief(1.3, (0.7, 6.0), "factor on the time of tensor-parallel collectives at the link's rate"),
        /// What Megatron-Core leaves of them.
        TensorExposed = "tensor_exposed":
            belief(0.4, (0.01, 1.0), "share of them that Megatron-Core with sequence parallelism does not hide"),
        /// What interleaving leaves of the messages between stages.
        PipelineExposed = "pipeline_exposed":
            belief(0.5, (0.01, 1.0), "share of the messages between stages that Megatron-Core does not hide where it interleaves"),
        /// Collectives over replicas that are overlapped.
        DataExposed = "data_exposed":
            belief(0.2, (0.01, 1.0), "share of the replicas' collectives that Megatron-Core and PyTorch do not hide"),
        /// DeepSpeed's gathers of single parameters.
        Zero3Network = "zero3_network":
            belief(10.0, (1.0, 50.0), "factor on the time of ZeRO-3's gathers at the link's rate"),
        /// Once per step.
        Step = "step_seconds":
            seconds(0.1, (1e-4, 2.0), "seconds per step that nothing else explains"),
        /// Megatron on DeepSpeed, per layer and forward pass.
        DeepspeedLayer = "deepspeed_layer":
            seconds(5e-4, (1e-7, 8e-3), "seconds per layer, micro-batch and forward pass of Megatron on DeepSpeed"),
        /// Megatron on DeepSpeed, per parameter and step.
        DeepspeedParameters = "deepspeed_parameters":
            seconds(0.3, (1e-3, 5.0), "seconds per step and 10⁹ parameters of a GPU, of Megatron on DeepSpeed"),
    }
}

/// A value for each coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>", into = "BTreeMap<String, f64>")]
pub struct Coefficients([f64; Coefficient::ALL.len()]);

impl Coefficients {
    /// One of them.
    #[must_use]
    pub fn of(&self, coefficient: Coefficient) -> f64 {
        self.0[coefficient as usize]
    }

    /// The same with other values, in the order of [`Coefficient::ALL`].
    #[must_use]
    pub fn new(values: [f64; Coefficient::ALL.len()]) -> Self {
        Self(values)
    }

    /// All of them, in the order of [`Coefficient::ALL`].
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

impl Default for Coefficients {
    /// What is believed without any evidence.
    fn default() -> Self {
        Self(Coefficient::ALL.map(|one| one.row().value))
    }
}

impl TryFrom<BTreeMap<String, f64>> for Coefficients {
    type Error = String;

    fn try_from(mut map: BTreeMap<String, f64>) -> Result<Self, String> {
        let mut values = [0.0; Coefficient::ALL.len()];
        for (value, one) in values.iter_mut().zip(Coefficient::ALL) {
            let Some(found) = map.remove(one.name()) else {
                return Err(format!("coefficient `{}` is missing", one.name()));
            };
            let (low, high) = one.row().range;
            if !(low..=high).contains(&found) {
                return Err(format!(
                    "coefficient `{}` is {found}, must lie between {low} and {high}",
                    one.name()
                ));
            }
            *value = found;
        }
        match map.keys().next() {
            Some(name) => Err(format!(
                "there is no coefficient `{name}`{}",
                words::hint(name, Coefficient::ALL.map(Coefficient::name))
            )),
            None => Ok(Self(values)),
        }
    }
}

impl From<Coefficients> for BTreeMap<String, f64> {
    fn from(coefficients: Coefficients) -> Self {
        let pairs = Coefficient::ALL.into_iter().zip(coefficients.0);
        // Four digits are more than any of them deserves.
        let rounded = |value: f64| format!("{value:.3e}").parse().unwrap_or(value);
        pairs
            .map(|(one, value)| (one.name().to_owned(), rounded(value)))
            .collect()
    }
}

/// How far predictions were from systems that they were not fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Four of five steps lie within this factor, less 1, up or down.
    pub measured: f64,
    /// The same on a GPU no step of which was fitted.
    pub unmeasured: f64,
    /// The same with products in FP8.
    pub fp8: f64,
}

/// A fit: what `workbench plan fit` writes and the program ships.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// Which steps it was fitted to.
    pub source: String,
    /// The coefficients.
    pub coefficients: Coefficients,
    /// The interval of a prediction.
    pub spread: Spread,
}

/// The fit that is compiled in.
const SHIPPED: &str = include_str!("../../data/step-time.toml");

/// The fit that is compiled in.
pub fn shipped() -> Result<&'static Fitted, PlanError> {
    static READ: OnceLock<Result<Fitted, String>> = OnceLock::new();
    let read = READ.get_or_init(|| toml::from_str(SHIPPED).map_err(|error| error.to_string()));
    read.as_ref().map_err(|problem| PlanError::Failed {
        what: "reading the step-time coefficients",
        problem: problem.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A missing, unknown or impossible number is named, with the nearest name.
    #[test]
    fn coefficients_are_checked_by_name() {
        let text = |c: &Coefficients| toml::to_string(c).unwrap();
        let whole = text(&Coefficients::default());
        assert_eq!(
            toml::from_str::<Coefficients>(&whole).unwrap(),
            Coefficients::default()
        );
        let problem = |text: &str| {
            toml::from_str::<Coefficients>(text)
                .unwrap_err()
                .to_string()
        };
        let missing = problem(&whole.replace("step_seconds", "step_second"));
        assert!(missing.contains("`step_seconds` is missing"), "{missing}");
        let extra = problem(&format!("{whole}tensors = 1.0\n"));
        assert!(extra.contains("did you mean `tensor`"), "{extra}");
        let absurd = problem(&whole.replace("products_ampere = 0.8", "products_ampere = 1.5"));
        assert!(absurd.contains("between 0.3 and 1"), "{absurd}");
    }

    #[test]
    fn the_shipped_fit_reads() {
        let fitted = shipped().unwrap();
        assert!(fitted.spread.unmeasured > fitted.spread.measured);
    }
}
