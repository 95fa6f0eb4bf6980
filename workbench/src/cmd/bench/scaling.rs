//! How cost per token grows with one size at a time.

use super::{Bench, Job};
use crate::failure::Failure;
use experiments::bench::{Effort, Peak, Timed};
use serde::Serialize;
use workbench_report::{ScalingPanel, ScalingPoint, scaling_svg};

/// The proxy around which sizes are varied.
const BASE: &str = "t1";

/// A FLOP that costs this much more is more than noise.
const NOISE: f64 = 0.15;

/// One size and the values it takes; the base's own is among them.
struct Axis {
    what: &'static str,
    sizes: &'static [u64],
    base: u64,
    /// The changes that make a size.
    set: fn(u64) -> Vec<String>,
}

/// Slots of a step stay what they are when the sequence grows, so that one thing changes at a time.
const SLOTS: u64 = 1024;

const AXES: [Axis; 4] = [
    Axis {
        what: "width",
        sizes: &[64, 128, 192, 256, 384],
        base: 128,
        // Heads of 32 dimensions and a feed-forward of 8/3, as t1 has them.
        set: |h| {
            vec![
                format!("model.hidden_size={h}"),
                format!("model.num_heads={}", h / 32),
                format!("model.ffn_hidden_size={}", (h * 8).div_ceil(24) * 8),
            ]
        },
    },
    Axis {
        what: "depth",
        sizes: &[3, 6, 12, 24],
        base: 12,
        set: |layers| vec![format!("model.layers={layers}")],
    },
    Axis {
        what: "sequence",
        sizes: &[64, 128, 256, 512],
        base: 128,
        set: |s| {
            vec![
                format!("model.seq_len={s}"),
                format!("batch.micro_batch={}", SLOTS / s),
            ]
        },
    },
    Axis {
        what: "vocabulary",
        sizes: &[2048, 4096, 8192, 16384],
        base: 8192,
        set: |v| vec![format!("tokenizer.vocab_size={v}")],
    },
];

/// All that is to be timed: the base first, then every other size of every axis.
pub(super) fn jobs(bench: &mut Bench) -> Result<Vec<Job>, Failure> {
    let format = bench.formats[0];
    // Each of two times, of which the fastest step counts.
    let effort = Effort {
        warm_up: 1,
        least_steps: 2,
        seconds: bench.arguments.seconds / 4.0,
    };
    let mut jobs = vec![Job {
        what: BASE.to_owned(),
        config: bench.config(BASE, format, &[])?,
        effort,
    }];
    for axis in &AXES {
        for size in axis.sizes.iter().filter(|size| **size != axis.base) {
            jobs.push(Job {
                what: format!("{} {size}", axis.what),
                config: bench.config(BASE, format, &(axis.set)(*size))?,
                effort,
            });
        }
    }
    Ok(jobs)
}

/// What one axis showed.
#[derive(Debug, Serialize)]
pub(super) struct Scaling {
    pub(super) what: &'static str,
    /// In order of the size.
    pub(super) points: Vec<Point>,
    /// The best matrix product, FLOP/s.
    pub(super) peak_flops: f64,
    /// Sizes at which a FLOP costs more than `NOISE` above what it cost at the cheapest smaller size.
    pub(super) faster_than_flops: Vec<u64>,
    /// Exponent of cost over operations between the smallest and the largest size.
    pub(super) exponent: f64,
}

/// One size.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) size: u64,
    pub(super) flops_per_token: f64,
    pub(super) seconds_per_token: f64,
    pub(super) utilisation: f64,
}

/// Sorts the measurements of [`jobs`] by axis. Costs are those of the fastest steps, and the peak is the
/// best of the whole run: a neighbour who takes a core for a while is no finding.
pub(super) fn evaluate(timed: &[Timed], peak: &Peak) -> Vec<Scaling> {
    let [base, rest @ ..] = timed else {
        return Vec::new();
    };
    let mut rest = rest.iter();
    let mut all = Vec::new();
    for axis in &AXES {
        let points = (axis.sizes.iter())
            .filter_map(|size| {
                let timed = if *size == axis.base {
                    Some(base)
                } else {
                    rest.next()
                };
                timed.map(|timed| Point::new(*size, timed, peak))
            })
            .collect();
        all.push(Scaling::new(axis.what, points, peak.best(base.format)));
    }
    all
}

impl Point {
    fn new(size: u64, timed: &Timed, peak: &Peak) -> Self {
        let (flops, seconds) = (timed.flops_per_token(), timed.least_seconds_per_token());
        Self {
            size,
            flops_per_token: flops,
            seconds_per_token: seconds,
            utilisation: flops / seconds / peak.best(timed.format),
        }
    }
}

impl Scaling {
    fn new(what: &'static str, points: Vec<Point>, peak_flops: f64) -> Self {
        let mut best = 0.0_f64;
        let mut faster_than_flops = Vec::new();
        for point in &points {
            if point.utilisation * (1.0 + NOISE) < best {
                faster_than_flops.push(point.size);
            }
            best = best.max(point.utilisation);
        }
        let exponent = match (points.first(), points.last()) {
            (Some(a), Some(b)) => {
                let flops = (b.flops_per_token / a.flops_per_token).ln();
                1.0 - (b.utilisation / a.utilisation).ln() / flops
            }
            _ => f64::NAN,
        };
        Self {
            what,
            points,
            peak_flops,
            faster_than_flops,
            exponent,
        }
    }

    /// One sentence, plainly.
    pub(super) fn finding(&self) -> String {
        let what = self.what;
        let sizes: Vec<_> = self.faster_than_flops.iter().map(u64::to_string).collect();
        if sizes.is_empty() {
            return format!(
                "{what}: cost per token grows no faster than its FLOPs (cost ~ FLOPs^{:.2}).",
                self.exponent
            );
        }
        format!(
            "{what}: cost per token grows FASTER than its FLOPs: at {} a FLOP costs over {:.0} % more than at a smaller size (cost ~ FLOPs^{:.2} from end to end).",
            sizes.join(", "),
            100.0 * NOISE,
            self.exponent
        )
    }
}

/// Four panels.
pub(super) fn draw(scaling: &[Scaling], device: &str) -> Result<String, Failure> {
    let panels: Vec<_> = (scaling.iter())
        .map(|scaling| ScalingPanel {
            what: scaling.what.to_owned(),
            finding: scaling.finding(),
            points: (scaling.points.iter())
                .map(|point| ScalingPoint {
                    label: point.size.to_string(),
                    flops: point.flops_per_token,
                    seconds: point.seconds_per_token,
                })
                .collect(),
            peak: scaling.peak_flops,
        })
        .collect();
    let title = format!("Cost per token against operations per token, around {BASE}, on {device}");
    Ok(scaling_svg(&title, &panels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling(points: &[(u64, f64, f64)]) -> Scaling {
        let points = points.iter().map(|(size, flops, utilisation)| Point {
            size: *size,
            flops_per_token: *flops,
            seconds_per_token: flops / utilisation,
            utilisation: *utilisation,
        });
        Scaling::new("width", points.collect(), 1.0)
    }

    #[test]
    fn a_falling_share_of_the_peak_is_named_with_its_size() {
        let good = scaling(&[(64, 1.0, 0.3), (128, 4.0, 0.4), (256, 16.0, 0.38)]);
        assert!(good.faster_than_flops.is_empty());
        assert!(good.exponent < 1.0);
        assert!(good.finding().contains("no faster"));
        let bad = scaling(&[(64, 1.0, 0.4), (128, 4.0, 0.4), (256, 16.0, 0.2)]);
        assert_eq!(bad.faster_than_flops, [256]);
        assert!((bad.exponent - 1.25).abs() < 1e-9, "{}", bad.exponent);
        assert!(bad.finding().contains("FASTER than its FLOPs: at 256"));
    }

    #[test]
    fn every_axis_passes_through_the_base() {
        for axis in &AXES {
            assert!(axis.sizes.contains(&axis.base), "{}", axis.what);
            assert!(axis.sizes.is_sorted());
        }
    }
}
