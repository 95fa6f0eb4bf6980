//! Where the network rounds to 16 bits: one rounding per operation, forward and, for the
//! gradient, backward, as `PyTorch` eager half does (`glm130b-facts` §3, rounding points).
//!
//! Layer norm, cross-entropy and, by default, softmax compute in FP32 between two such points.
//! The attention scale is folded into q with a rounding of its own, as `LargeScale` does.

mod at;

pub(crate) use at::At;

use crate::parameters::{Parameter, Role};
use burn::tensor::Tensor;
use experiments_config::{Format, PrecisionConfig};
use kernels::{
    Gate, HalfFormat, Kernels, Pass, Place, RangeCount, RangeSite, Rounding, Tally, Watched, gate,
};
use std::sync::Arc;

/// A tensor that was rounded in one pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// [`At::label`].
    pub(crate) name: String,
    pub(crate) layer: Option<usize>,
    pub(crate) pass: Pass,
    pub(crate) lost: RangeCount,
    pub(crate) values: Watched,
}

/// Range losses of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RangeReport {
    /// Finite values that became infinite, per layer.
    pub(crate) layer_overflow: Vec<u64>,
    /// Values other than 0 that became 0, per layer.
    pub(crate) layer_underflow: Vec<u64>,
    /// All overflows, outside the layers too.
    pub(crate) overflow: u64,
    /// All underflows.
    pub(crate) underflow: u64,
    /// The tensor that overflowed first, for example `layers.3.attention.scores (forward)`.
    pub(crate) first_overflow: Option<String>,
    /// Largest magnitude of a gradient that overflowed, before it was rounded and still times the loss scale;
    /// 0 without one.
    pub(crate) largest_gradient: f32,
    /// What the activations and their gradients were, in the order of computation; empty unless the precision watches.
    pub(crate) stored: Vec<Stored>,
}

impl RangeReport {
    /// Takes in what storing the weight gradients lost, one count per parameter. They come after
    /// all activations, so they are first only where nothing else overflowed; of them that of the last parameter is.
    pub(crate) fn add_gradients(&mut self, table: &[Parameter], lost: &[RangeCount]) {
        for (parameter, count) in table.iter().zip(lost).rev() {
            self.overflow += count.overflow;
            self.underflow += count.underflow;
            self.largest_gradient = self.largest_gradient.max(count.largest);
            if let Some(layer) = parameter.layer {
                self.layer_overflow[layer] += count.overflow;
                self.layer_underflow[layer] += count.underflow;
            }
            if count.overflow > 0 && self.first_overflow.is_none() {
                self.first_overflow = Some(format!("{} (gradient)", parameter.name));
            }
        }
    }
}

/// The format of the pass and the counters of its rounding points.
#[derive(Debug)]
pub(crate) struct Precision {
    half: Option<HalfFormat>,
    softmax_half: bool,
    /// Of the projection to the vocabulary.
    head_half: Option<HalfFormat>,
    saturates: bool,
    /// Of all places; those of the head are unused where it is FP32. None in FP32.
    outside: Vec<Rounding>,
    /// Of every layer; none in FP32.
    layers: Vec<Vec<Rounding>>,
    /// What a device counts for all of them.
    tally: Arc<Tally>,
}

/// The rounding points of one layer.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) precision: &'a Precision,
    layer: usize,
}

impl<'a> Places<'a> {
    /// The rounding of a point; absent in FP32.
    pub(crate) fn at(self, at: At) -> Option<&'a Rounding> {
        self.precision.rounding(at, self.layer)
    }
}

impl Precision {
    /// Rounding points for a model of `layers` layers.
    #[must_use]
    pub(crate) fn new(config: &PrecisionConfig, layers: usize) -> Self {
        Self::of_runs(config, layers, 1)
    }

    /// Of passes of so many runs at once, which a device counts apart.
    pub(crate) fn of_runs(config: &PrecisionConfig, layers: usize, runs: usize) -> Self {
        Self::with_sites(config, layers, runs, RangeSite::new)
    }

    /// The same, which looks at all values and not only at those that are lost.
    pub(crate) fn watching(config: &PrecisionConfig, layers: usize) -> Self {
        Self::with_sites(config, layers, 1, |name, layer| {
            RangeSite::new(name, layer).watched()
        })
    }

    fn with_sites(
        config: &PrecisionConfig,
        layers: usize,
        runs: usize,
        site: fn(&'static str, Option<usize>) -> RangeSite,
    ) -> Self {
        let half = half_format(config.format);
        let sites = At::OUTSIDE.len() + layers * At::INSIDE.len();
        let tally = Arc::new(Tally::new(sites, runs));
        let mut sites = 0..;
        let mut points = |names: &[(At, &'static str)], layer| {
            let names = names.iter().map(|(_, name)| *name);
            let point = |(format, name)| {
                let place = Place {
                    tally: tally.clone(),
                    site: sites.next().unwrap_or_default(),
                };
                Rounding {
                    format,
                    site: Some(Arc::new(site(name, layer).placed(place))),
                    saturates: config.saturate_gradients,
                }
            };
            half.into_iter()
                .flat_map(|format| names.clone().map(move |name| (format, name)))
                .map(point)
                .collect()
        };
        Self {
            half,
            softmax_half: config.softmax != Format::Fp32,
            head_half: half.filter(|_| !config.fp32_head),
            saturates: config.saturate_gradients,
            outside: points(&At::OUTSIDE, None),
            layers: (0..layers)
                .map(|layer| points(&At::INSIDE, Some(layer)))
                .collect(),
            tally,
        }
    }

    /// What a device counts at the rounding points.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes in what a device counted, as [`Kernels::take_counts`] gave it.
    pub(crate) fn settle(&self, counts: &[RangeCount]) {
        let points = self.outside.iter().chain(self.layers.iter().flatten());
        for site in points.flat_map(|point| &point.site) {
            site.settle(counts);
        }
    }

    /// Whether softmax computes in the format of the pass instead of FP32.
    pub(crate) fn softmax_half(&self) -> bool {
        self.softmax_half
    }

    /// The format of the pass; absent for FP32.
    pub(crate) fn half(&self) -> Option<HalfFormat> {
        self.half
    }

    /// The format of the projection to the vocabulary; absent for FP32.
    pub(crate) fn head_half(&self) -> Option<HalfFormat> {
        self.head_half
    }

    /// Whether all values are looked at, not only those that are lost.
    pub(crate) fn watches(&self) -> bool {
        self.outside.first().is_some_and(Rounding::is_watched)
    }

    /// How the gradients of weights are stored; absent in FP32. Those of layer norms stay FP32.
    fn weight_gradient(&self) -> Option<Rounding> {
        self.unnamed(self.half)
    }

    /// How weights are stored for a pass; absent in FP32.
    pub(crate) fn weight(&self) -> Option<Rounding> {
        let rounding = self.unnamed(self.half)?;
        Some(Rounding {
            saturates: false,
            ..rounding
        })
    }

    /// How the gradient of the projection to the vocabulary is stored, with tied embeddings that of the whole
    /// table; absent for FP32.
    pub(crate) fn head_gradient(&self) -> Option<Rounding> {
        self.unnamed(self.head_half())
    }

    /// [`Precision::weight_gradient`] or [`Precision::head_gradient`] of every parameter. `tied`: the embedding's is of
    /// the sum of both its paths.
    pub(crate) fn gradients(&self, table: &[Parameter], tied: bool) -> Vec<Option<Rounding>> {
        let rounding = |parameter: &Parameter| match parameter.role {
            Role::Norm => None,
            Role::Embedding if tied => self.head_gradient(),
            Role::Head => self.head_gradient(),
            Role::Embedding | Role::Position | Role::Attention | Role::Ffn => {
                self.weight_gradient()
            }
        };
        table.iter().map(rounding).collect()
    }

    /// A rounding whose losses the caller counts.
    fn unnamed(&self, half: Option<HalfFormat>) -> Option<Rounding> {
        half.map(|format| Rounding {
            format,
            site: None,
            saturates: self.saturates,
        })
    }

    /// The rounding of a point; absent in FP32. `layer` is ignored outside the layers.
    pub(crate) fn rounding(&self, at: At, layer: usize) -> Option<&Rounding> {
        if matches!(at, At::Head | At::Logits) && self.head_half.is_none() {
            return None;
        }
        let index = at as usize;
        match index.checked_sub(At::OUTSIDE.len()) {
            None => self.outside.get(index),
            Some(inside) => self.layers[layer].get(inside),
        }
    }

    /// The rounding points of a layer.
    pub(crate) fn layer(&self, layer: usize) -> Places<'_> {
        let precision = self;
        Places { precision, layer }
    }

    /// Stores the result of an operation: rounds the value, and the gradient that comes back.
    pub(crate) fn store<B: Kernels, const D: usize>(
        &self,
        x: Tensor<B, D>,
        at: At,
        layer: usize,
    ) -> Tensor<B, D> {
        self.through(x, at, layer, Gate::round)
    }

    /// Lets a stored value into one of several consumers: each consumer's gradient is rounded
    /// before the sum, which the producer's own point then rounds again.
    pub(crate) fn branch<B: Kernels, const D: usize>(
        &self,
        x: Tensor<B, D>,
        at: At,
        layer: usize,
    ) -> Tensor<B, D> {
        self.through(x, at, layer, Gate::round_gradient)
    }

    /// A matrix product of stored values.
    pub(crate) fn product<B: Kernels, const D: usize>(
        &self,
        a: Tensor<B, D>,
        b: Tensor<B, D>,
    ) -> Tensor<B, D> {
        product(a, b, self.half)
    }

    fn through<B: Kernels, const D: usize>(
        &self,
        x: Tensor<B, D>,
        at: At,
        layer: usize,
        make: fn(Rounding) -> Gate,
    ) -> Tensor<B, D> {
        match self.rounding(at, layer) {
            Some(rounding) => gate(x, &make(rounding.clone())),
            None => x,
        }
    }

    /// Every rounding point with its site.
    fn sites(&self) -> impl Iterator<Item = (At, &Arc<RangeSite>)> {
        let outside = At::OUTSIDE.iter().zip(&self.outside);
        let layers = self.layers.iter();
        let points = outside.chain(layers.flat_map(|layer| At::INSIDE.iter().zip(layer)));
        points.filter_map(|((at, _), point)| Some((*at, point.site.as_ref()?)))
    }

    /// Reads and resets all counters, as another rank is told them. `copies`: this rank is not the first of those that
    /// share matrices, and what all of these have is counted by that one.
    pub(crate) fn take_counts(&self, copies: bool) -> Vec<RangeCount> {
        let counts = self.sites().flat_map(|(at, site)| {
            let totals = site.take();
            if copies && !at.is_shared_out() {
                return [RangeCount::default(); 2];
            }
            [totals.forward, totals.backward]
        });
        counts.collect()
    }

    /// Takes in what [`Self::take_counts`] was on some rank.
    pub(crate) fn add_counts(&self, counts: &[RangeCount]) {
        for ((_, site), counts) in self.sites().zip(counts.chunks_exact(2)) {
            site.add(Pass::Forward, counts[0]);
            site.add(Pass::Backward, counts[1]);
        }
    }

    /// Reads and resets the counters of every point.
    #[cfg(all(test, any(feature = "cuda", feature = "vulkan")))]
    pub(crate) fn take_lost(&self) -> Vec<(String, kernels::SiteTotals)> {
        let points = self.outside.iter().chain(self.layers.iter().flatten());
        let sites = points.flat_map(|point| &point.site);
        sites.map(|site| (name(site), site.take())).collect()
    }

    /// Reads and resets all counters.
    pub(crate) fn take_report(&self) -> RangeReport {
        let mut report = RangeReport {
            layer_overflow: vec![0; self.layers.len()],
            layer_underflow: vec![0; self.layers.len()],
            ..RangeReport::default()
        };
        let (mut forward, mut backward) = (None, None);
        let mut watched_backward = Vec::new();
        // Network order, so that the first forward loss met is the first that happened, and the
        // last backward loss met is the first that happened there.
        let first_after = self.outside.len().min(At::FinalNorm as usize);
        let (before, after) = self.outside.split_at(first_after);
        let points = before.iter().chain(self.layers.iter().flatten());
        for site in points.chain(after).flat_map(|point| &point.site) {
            let totals = site.take();
            let overflow = totals.forward.overflow + totals.backward.overflow;
            let underflow = totals.forward.underflow + totals.backward.underflow;
            report.overflow += overflow;
            report.underflow += underflow;
            report.largest_gradient = report.largest_gradient.max(totals.backward.largest);
            if let Some(layer) = site.layer {
                report.layer_overflow[layer] += overflow;
                report.layer_underflow[layer] += underflow;
            }
            if totals.forward.overflow > 0 && forward.is_none() {
                forward = Some(label(site, "forward"));
            }
            if totals.backward.overflow > 0 {
                backward = Some(label(site, "backward"));
            }
            if let Some([seen, seen_backward]) = site.take_watched() {
                let stored = |pass, lost, values| Stored {
                    name: name(site),
                    layer: site.layer,
                    pass,
                    lost,
                    values,
                };
                let own = stored(Pass::Forward, totals.forward, seen);
                report.stored.push(own);
                watched_backward.push(stored(Pass::Backward, totals.backward, seen_backward));
            }
        }
        report.stored.extend(watched_backward.into_iter().rev());
        report.first_overflow = forward.or(backward);
        report
    }
}

/// A matrix product of the format's values, of FP32 without one. The CPU's is burn's own; a device may have
/// units for the format.
pub(crate) fn product<B: Kernels, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    half: Option<HalfFormat>,
) -> Tensor<B, D> {
    if B::COMBINES {
        kernels::product(a, b, half)
    } else {
        a.matmul(b)
    }
}

fn label(site: &RangeSite, pass: &str) -> String {
    format!("{} ({pass})", name(site))
}

fn name(site: &RangeSite) -> String {
    match site.layer {
        Some(layer) => format!("layers.{layer}.{}", site.name),
        None => site.name.to_owned(),
    }
}

/// The kernel's format for a configured one; absent for FP32.
pub(crate) fn half_format(format: Format) -> Option<HalfFormat> {
    match format {
        Format::Fp32 => None,
        Format::Fp16 => Some(HalfFormat::Fp16),
        Format::Bf16 => Some(HalfFormat::Bf16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    fn fp16() -> Precision {
        Precision::new(
            &PrecisionConfig {
                format: Format::Fp16,
                ..PrecisionConfig::default()
            },
            2,
        )
    }

    #[test]
    fn every_point_finds_its_own_site() {
        let precision = fp16();
        for (at, name) in At::OUTSIDE.into_iter().chain(At::INSIDE) {
            let site = precision.rounding(at, 1).unwrap().site.clone().unwrap();
            assert_eq!(site.name, name);
        }
    }

    #[test]
    fn the_first_overflow_is_named() {
        let precision = fp16();
        let big = || Tensor::<Flex, 1>::from_data(TensorData::from([1e6_f32]), &Default::default());
        precision.store(big(), At::Down, 1);
        precision.store(big(), At::Scores, 1);
        let report = precision.take_report();
        assert_eq!(
            report.first_overflow.as_deref(),
            Some("layers.1.attention.scores (forward)")
        );
        assert_eq!((report.overflow, report.layer_overflow), (2, vec![0, 2]));
        assert_eq!(precision.take_report().overflow, 0);
    }
}
