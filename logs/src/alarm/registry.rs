//! The list of all detectors.

use super::detector::{AnyDetector, Detector, observed};
use super::jump::RelativeJump;
use super::layers::{Against, Layers};
use super::non_finite::NonFinite;
use super::robust::Robust;
use super::skips::RepeatedSkips;
use super::spike::{SpikeDetector, SpikeRule};
use super::threshold::Threshold::{self, Count, Deviations, Factor, Fixed};
use super::{Alarm, LossScaleDetector};
use crate::record::Record;
use crate::spike::{Definition, Side};

/// One line of the registry.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name, also that of the rule in its alarms.
    pub name: &'static str,
    /// The signals it reads.
    pub signals: &'static [&'static str],
    /// Its thresholds, for people.
    pub thresholds: &'static str,
    /// The first of them, which a user may choose.
    pub threshold: Threshold,
    /// Where it comes from.
    pub source: &'static str,
    /// Whether a [`Watch`](super::Watch) has it.
    pub watched: bool,
    /// Makes one that has seen nothing.
    pub make: fn(&Entry) -> Box<dyn AnyDetector>,
}

const OURS: &str = "ours; see `logs::spike`";
/// A least scale of logarithms that asks for a factor: 7 times it is the factor's logarithm. Norms scatter by factors
/// while all is well; these are the smallest that raise less than one alarm per 1,000 steps on calm runs.
const fn factor(least_scale: f64) -> Definition {
    Definition::NORM.at_least(least_scale)
}

/// 1.4
const NORM: Definition = factor(0.05);
/// 1.4, either way
const STILL: Definition = factor(0.045).towards(Side::Both);
/// 2.7
const LOGIT: Definition = factor(0.14);
/// 2.7, downwards
const FALL: Definition = factor(0.14).towards(Side::Down);
/// 3
const RATIO: Definition = factor(0.16);
/// 8
const SHARE: Definition = factor(0.3);
/// 33
const LAYER: Definition = factor(0.5);

/// Every detector, in the order of their alarms within a step.
#[rustfmt::skip] // a table reads better with one row per line
pub const DETECTORS: &[Entry] = &[
    Entry { name: "non-finite", signals: &["loss", "grad_norm"], thresholds: "NaN or infinity", threshold: Fixed, source: "ours", watched: true, make: |e| Box::new(NonFinite::new(e.signals)) },
    Entry { name: "robust-loss", signals: &["loss"], thresholds: "7 robust deviations above the median of 64", threshold: Deviations(7.0), source: OURS, watched: true, make: |e| robust(e, Definition::LOSS) },
    Entry { name: "robust-gradient", signals: &["grad_norm"], thresholds: "7 robust deviations and a factor of 1.4 above the median of 64, logarithmic", threshold: Deviations(7.0), source: OURS, watched: true, make: |e| robust(e, NORM) },
    Entry { name: "olmo2-1000/7", signals: &["loss", "grad_norm"], thresholds: "7 standard deviations from the mean of 1,000", threshold: Deviations(7.0), source: "OLMo 2, arXiv 2501.00656, §3.2", watched: true, make: |e| moving(e, &SpikeRule::olmo2_1000_7()) },
    Entry { name: "olmo-core-128/6", signals: &["loss"], thresholds: "6 standard deviations above the mean of 128", threshold: Deviations(6.0), source: "OLMo-core, train/callbacks/stability_monitor.py", watched: true, make: |e| moving(e, &SpikeRule::olmo_core_128_6()) },
    Entry { name: "olmo-core-128/6-gradient", signals: &["grad_norm"], thresholds: "the same; more than one alarm per 1,000 steps on calm runs of small models", threshold: Deviations(6.0), source: "OLMo-core, train/callbacks/stability_monitor.py", watched: false, make: |e| moving(e, &SpikeRule::olmo_core_128_6()) },
    Entry { name: "jump-loss", signals: &["loss"], thresholds: "1.25 times the median of 16", threshold: Factor(1.25), source: "ours; the form of metaseq's skip on the loss ratio", watched: true, make: jump },
    Entry { name: "jump-gradient", signals: &["grad_norm"], thresholds: "5 times the median of 16", threshold: Factor(5.0), source: "ours; the form of metaseq's skip on the loss ratio", watched: true, make: jump },
    Entry { name: "loss-scale", signals: &["loss_scale"], thresholds: "2 halvings within 20 steps", threshold: Count { least: 2, most: 20 }, source: "after GLM-130B, arXiv 2210.02414, §3", watched: true, make: |e| Box::new(LossScaleDetector::new(e.threshold.number() as u32, 20)) },
    Entry { name: "repeated-skips", signals: &["skipped"], thresholds: "3 skipped steps of 10", threshold: Count { least: 3, most: 10 }, source: "ours", watched: true, make: |e| Box::new(RepeatedSkips::new(e.name, e.threshold.number() as u64, 10)) },
    Entry { name: "layer-growth", signals: &["layer_grad_norm"], thresholds: "7 robust deviations and a factor of 33 above the layer's own median, logarithmic", threshold: Deviations(7.0), source: OURS, watched: true, make: |e| layers(e, Against::Past, LAYER) },
    Entry { name: "layer-share", signals: &["layer_grad_norm"], thresholds: "7 robust deviations and a factor of 8 in the layer over the median layer", threshold: Deviations(7.0), source: OURS, watched: true, make: |e| layers(e, Against::Layers, SHARE) },
    Entry { name: "activation-drift", signals: &["layer_norm_input_rms"], thresholds: "7 robust deviations and a factor of 1.4 from the layer's own median, either way, logarithmic", threshold: Deviations(7.0), source: OURS, watched: true, make: |e| layers(e, Against::Past, STILL) },
    Entry { name: "embedding-gradient", signals: &["grad_norm_embedding"], thresholds: "as robust-gradient", threshold: Deviations(7.0), source: "ours; after GLM-130B, arXiv 2210.02414, §3", watched: true, make: |e| robust(e, NORM) },
    Entry { name: "update-norm", signals: &["update_norm"], thresholds: "as robust-gradient", threshold: Deviations(7.0), source: "ours; the signal of Marin's issue 1368", watched: true, make: |e| robust(e, NORM) },
    Entry { name: "adam-rms", signals: &["adam_rms"], thresholds: "as robust-gradient, and a factor of 3", threshold: Deviations(7.0), source: "ours; the signal of StableAdamW, arXiv 2304.13013", watched: true, make: |e| robust(e, RATIO) },
    Entry { name: "clip", signals: &["clip_coefficient"], thresholds: "7 robust deviations and a factor of 2.7 below the median of 64, logarithmic", threshold: Deviations(7.0), source: OURS, watched: true, make: |e| robust(e, FALL) },
    Entry { name: "attention-logit", signals: &["max_attention_logit"], thresholds: "as robust-gradient, and a factor of 2.7", threshold: Deviations(7.0), source: "ours; the signal of Wortsman et al., arXiv 2309.14322", watched: true, make: |e| robust(e, LOGIT) },
];

fn robust(entry: &Entry, definition: Definition) -> Box<dyn AnyDetector> {
    let definition = definition.with_threshold(entry.threshold.number());
    Box::new(Robust::new(entry.name, entry.signals[0], definition))
}

fn layers(entry: &Entry, against: Against, definition: Definition) -> Box<dyn AnyDetector> {
    let definition = definition.with_threshold(entry.threshold.number());
    Box::new(Layers::new(
        entry.name,
        entry.signals[0],
        against,
        definition,
    ))
}

fn jump(entry: &Entry) -> Box<dyn AnyDetector> {
    let factor = entry.threshold.number();
    Box::new(RelativeJump::new(entry.name, entry.signals[0], factor))
}

fn moving(entry: &Entry, rule: &SpikeRule) -> Box<dyn AnyDetector> {
    let rule = SpikeRule {
        name: entry.name.to_owned(),
        sigma: entry.threshold.number(),
        ..rule.clone()
    };
    let of = |signal: &&str| SpikeDetector::new(signal, rule.clone());
    Box::new(entry.signals.iter().map(of).collect::<Vec<_>>())
}

/// A detector by name, that has seen nothing.
#[must_use]
pub fn detector(name: &str) -> Option<Box<dyn AnyDetector>> {
    let entry = DETECTORS.iter().find(|entry| entry.name == name)?;
    Some((entry.make)(entry))
}

impl Detector for Vec<SpikeDetector> {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        for detector in self {
            if let Some(value) = observed(record, detector.signal()) {
                raised.extend(detector.observe(record.step, value));
            }
        }
    }
}

impl Detector for LossScaleDetector {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        if let Some(scale) = record.scalar("loss_scale") {
            raised.extend(self.observe(record.step, scale));
        }
    }
}

#[cfg(test)]
mod tests;
