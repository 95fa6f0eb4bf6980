//! From the values of many runs to a few lines and bands in plot coordinates.
//!
//! Order of the steps, and why: smooth each run, then average over seeds (smoothing a mean would mix runs of
//! different length), then reduce to the columns of the screen, then take logarithms, which keep what is least and greatest. The
//! band comes from raw values, so that smoothing never hides a spike.

use logs::smooth::Ema;

use super::choices::{BandKind, CurveChoices};
use super::reduce::{self, Point};
use crate::shared::{Axis, Curve};

/// How strongly a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Raw values behind a smoothed line.
    Faint,
    Normal,
    /// The run under the cursor.
    Focus,
}

/// A line in plot coordinates (y is a base-10 logarithm on a log axis). A NaN breaks it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) arm: usize,
    pub(super) tone: Tone,
    pub(super) points: Vec<Point>,
}

/// A band in plot coordinates: x, lowest, highest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Band {
    pub(super) arm: usize,
    pub(super) points: Vec<(f64, f64, f64)>,
}

/// What one chart shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chart {
    pub(super) signal: String,
    pub(super) unit: &'static str,
    pub(super) log: bool,
    pub(super) axis: Option<Axis>,
    pub(super) x: (f64, f64),
    pub(super) y: (f64, f64),
    pub(super) bands: Vec<Band>,
    pub(super) lines: Vec<Line>,
    /// Places of non-finite values, with the arm.
    pub(super) marks: Vec<(f64, usize)>,
    /// Positive values only exist on a log axis: how many had to be left out.
    pub(super) not_positive: usize,
    /// What is named, with its value at the cursor or at the end.
    pub(super) legend: Vec<Named>,
    /// Fewest and most runs that a mean is of.
    pub(super) seeds: (usize, usize),
    /// How many runs were chosen, and how many of them have the signal.
    pub(super) chosen: usize,
    pub(super) runs: usize,
    pub(super) choices: CurveChoices,
    /// The x axis from end to end in its unit, whatever is shown of it.
    pub(super) whole: (f64, f64),
    /// All of the y axis in plot coordinates, and whether only a part of it is shown.
    pub(super) whole_y: (f64, f64),
    pub(super) limited: bool,
}

/// A line that is named, and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Named {
    pub(super) arm: usize,
    /// None of a mean over the runs of the arm.
    pub(super) run: Option<usize>,
    pub(super) value: f64,
}

/// Builds the chart of a signal for `columns` dots of width, on a logarithmic y axis or not, and of that axis only the part between
/// the limits, which are in plot coordinates.
pub(super) fn build(
    signal: &str,
    curves: &[Curve],
    arms: usize,
    choices: CurveChoices,
    (log, limits): (bool, Option<(f64, f64)>),
    columns: usize,
) -> Chart {
    let ends = curves.iter().flat_map(|curve| curve.x.ends());
    let mut chart = Chart {
        signal: signal.into(),
        unit: logs::signal::signal(signal).map_or("", |signal| signal.unit),
        log,
        axis: Some(choices.axis),
        chosen: curves.len(),
        choices,
        whole: bounds(ends),
        ..Chart::default()
    };
    let recorded = curves.iter().filter(|curve| !curve.values.is_empty());
    let samples = recorded.map(|curve| (*curve, sample(curve, choices)));
    let samples: Vec<(Curve, Vec<Sample>)> = samples.collect();
    chart.runs = samples.len();
    chart.note_left_out(&samples);
    for arm in 0..arms {
        let of_arm: Vec<&(Curve, Vec<Sample>)> = samples
            .iter()
            .filter(|(curve, _)| curve.arm == arm)
            .collect();
        chart.push_arm(
            arm,
            &group(&of_arm, choices.band),
            of_arm.len() > 1,
            columns,
        );
    }
    if !choices.grouped {
        chart.push_runs(&samples, columns);
    }
    chart.set_ranges(&samples);
    if let Some(limits) = limits {
        (chart.y, chart.limited) = (limits, true);
    }
    chart
}

impl Chart {
    /// Marks non-finite values, and counts those that a log axis cannot show.
    fn note_left_out(&mut self, samples: &[(Curve, Vec<Sample>)]) {
        for (curve, run) in samples {
            self.marks.extend(
                run.iter()
                    .filter(|s| !s.raw.is_finite())
                    .map(|s| (s.x, curve.arm)),
            );
            self.not_positive += if self.log {
                run.iter()
                    .filter(|s| s.raw <= 0.0 && s.raw.is_finite())
                    .count()
            } else {
                0
            };
        }
    }

    /// The legend of an arm and, where runs are grouped, its line and (with `band`) its band.
    fn push_arm(&mut self, arm: usize, means: &[Mean], band: bool, columns: usize) {
        if !self.choices.grouped && self.choices.cursor.is_some() {
            return;
        }
        let read = self.read(means.iter().map(|mean| (mean.x, mean.value)));
        self.legend.extend(read.map(|value| Named {
            arm,
            run: None,
            value,
        }));
        if self.choices.grouped {
            let counts = means.iter().map(|mean| mean.n).filter(|n| *n > 0);
            let counts = counts.fold(self.seeds, |(low, high), n| {
                (if low == 0 { n } else { low.min(n) }, high.max(n))
            });
            self.seeds = counts;
            let points = means.iter().filter(|m| band && m.low <= m.high);
            let points = points
                .map(|m| (m.x, self.scale(m.low), self.scale(m.high)))
                .collect::<Vec<_>>();
            self.bands.push(Band {
                arm,
                points: reduce::band(&points, columns),
            });
            let points = means.iter().map(|mean| (mean.x, mean.value));
            self.push_line(arm, Tone::Normal, points, columns);
        }
    }

    /// The last finite value up to the cursor, or of all.
    fn read(&self, points: impl DoubleEndedIterator<Item = Point>) -> Option<f64> {
        let cursor = self.choices.cursor.map(|at| scale_x(at, self.choices));
        let mut points = points
            .rev()
            .filter(|(x, y)| y.is_finite() && cursor.is_none_or(|at| *x <= at));
        points.next().map(|(_, value)| value)
    }

    /// A line per run.
    fn push_runs(&mut self, samples: &[(Curve, Vec<Sample>)], columns: usize) {
        let smooth = self.choices.smooth;
        for (curve, run) in samples.iter().filter(|_| smooth) {
            let raw = run.iter().map(|s| (s.x, s.raw));
            self.push_line(curve.arm, Tone::Faint, raw, columns);
        }
        // The run under the cursor last, on top of the others.
        for focus in [false, true] {
            for (curve, run) in samples.iter().filter(|(curve, _)| curve.focus == focus) {
                let tone = if focus { Tone::Focus } else { Tone::Normal };
                if self.choices.cursor.is_some() {
                    let read = self.read(run.iter().map(|s| (s.x, s.smooth)));
                    let (arm, run) = (curve.arm, Some(curve.run));
                    self.legend
                        .extend(read.map(|value| Named { arm, run, value }));
                }
                let smooth = run.iter().map(|s| (s.x, s.smooth));
                self.push_line(curve.arm, tone, smooth, columns);
            }
        }
    }

    /// A value in plot coordinates.
    pub(super) fn scale(&self, value: f64) -> f64 {
        if self.log { log10(value) } else { value }
    }

    fn push_line(
        &mut self,
        arm: usize,
        tone: Tone,
        values: impl Iterator<Item = Point>,
        columns: usize,
    ) {
        // What has no logarithm breaks the line.
        let drawn = |y: f64| if self.log && y <= 0.0 { f64::NAN } else { y };
        let values: Vec<Point> = values.map(|(x, y)| (x, drawn(y))).collect();
        let mut points = reduce::line(&values, columns);
        for (_, y) in &mut points {
            *y = self.scale(*y);
        }
        self.lines.push(Line { arm, tone, points });
    }

    fn set_ranges(&mut self, samples: &[(Curve, Vec<Sample>)]) {
        let ys = self
            .lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(_, y)| *y));
        let bands = self
            .bands
            .iter()
            .flat_map(|band| band.points.iter().flat_map(|(_, low, high)| [*low, *high]));
        let (low, high) = bounds(ys.chain(bands));
        let margin = ((high - low) * 0.04)
            .max(low.abs().max(high.abs()) * 1e-3)
            .max(1e-9);
        self.y = (low - margin, high + margin);
        self.whole_y = self.y;
        if let Some((low, high)) = self.choices.zoom {
            self.x = (scale_x(low, self.choices), scale_x(high, self.choices));
            return;
        }
        let xs = samples
            .iter()
            .flat_map(|(_, run)| run.first().into_iter().chain(run.last()).map(|s| s.x));
        let (low, high) = bounds(xs);
        self.x = if high > low {
            (low, high)
        } else {
            (low, low + 1.0)
        };
    }
}

/// Least and greatest finite value; 0 and 1 when there is none.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold(start, |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// Logarithm of a positive value, else NaN, which breaks the line.
fn log10(value: f64) -> f64 {
    if value > 0.0 { value.log10() } else { f64::NAN }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    step: f64,
    x: f64,
    raw: f64,
    smooth: f64,
}

/// A place in plot coordinates.
fn scale_x(x: f64, choices: CurveChoices) -> f64 {
    if choices.log_x { log10(x) } else { x }
}

/// The values in what is shown of the x axis. Smoothing knows all of them.
fn sample(curve: &Curve, choices: CurveChoices) -> Vec<Sample> {
    let mut ema = Ema::new(choices.weight());
    let samples = curve.values.iter().filter_map(|&(record, raw)| {
        let record = record as usize;
        // A non-finite value breaks the smoothed line as well.
        let smooth = ema.push(raw).unwrap_or(f64::NAN);
        let x = curve.x.get(record)?;
        let shown = choices
            .zoom
            .is_none_or(|(low, high)| (low..=high).contains(&x));
        let scaled = scale_x(x, choices);
        (shown && scaled.is_finite()).then_some(Sample {
            step: curve.steps.get(record)?,
            x: scaled,
            raw,
            smooth,
        })
    });
    samples.collect()
}

#[derive(Debug, Clone, Copy)]
struct Mean {
    x: f64,
    value: f64,
    low: f64,
    high: f64,
    /// Runs with a finite value.
    n: usize,
}

/// Mean of the smoothed values and band of the raw ones over the runs of an arm, at every step that any of them
/// recorded. Non-finite values are left out (they are marked); a step without a finite value is a gap.
fn group(runs: &[&(Curve, Vec<Sample>)], band: BandKind) -> Vec<Mean> {
    if let [(_, run)] = runs {
        // In order already, and one at each step.
        return run.iter().map(|sample| alone(sample, band)).collect();
    }
    let mut all: Vec<Sample> = runs
        .iter()
        .flat_map(|(_, run)| run.iter().copied())
        .collect();
    all.sort_by(|a, b| a.step.total_cmp(&b.step));
    let half_widths: Vec<f64> = (0..=runs.len()).map(half_width).collect();
    let mut means: Vec<Mean> = all
        .chunk_by(|a, b| a.step == b.step)
        .map(|at_step| mean(at_step, band, &half_widths))
        .collect();
    // Mean times may go back a little where the set of runs changes.
    means.sort_by(|a, b| a.x.total_cmp(&b.x));
    means
}

/// What [`mean`] makes of the value of one run.
fn alone(sample: &Sample, band: BandKind) -> Mean {
    let is_finite = sample.raw.is_finite();
    let (low, high) = match band {
        BandKind::Range if is_finite => (sample.raw, sample.raw),
        BandKind::Range | BandKind::Interval | BandKind::None => (f64::NAN, f64::NAN),
    };
    Mean {
        x: sample.x,
        value: if is_finite { sample.smooth } else { f64::NAN },
        low,
        high,
        n: usize::from(is_finite),
    }
}

fn mean(at_step: &[Sample], band: BandKind, half_widths: &[f64]) -> Mean {
    let finite = || at_step.iter().filter(|sample| sample.raw.is_finite());
    let n = finite().count();
    let raw = || finite().map(|sample| sample.raw);
    let (low, high) = match band {
        BandKind::Range => (
            raw().fold(f64::INFINITY, f64::min),
            raw().fold(f64::NEG_INFINITY, f64::max),
        ),
        BandKind::Interval => {
            let middle = raw().sum::<f64>() / n as f64;
            let variance =
                raw().map(|value| (value - middle).powi(2)).sum::<f64>() / (n as f64 - 1.0);
            let half = variance.sqrt() * half_widths.get(n).copied().unwrap_or(f64::NAN);
            (middle - half, middle + half)
        }
        BandKind::None => (f64::NAN, f64::NAN),
    };
    Mean {
        x: at_step.iter().map(|sample| sample.x).sum::<f64>() / at_step.len() as f64,
        // 0 / 0 is NaN: the gap.
        value: finite().map(|sample| sample.smooth).sum::<f64>() / n as f64,
        low,
        high,
        n,
    }
}

/// Half the width of the 95 % interval of a mean of `n` values in standard deviations, t(n−1)/√n; NaN of fewer than two. Taken
/// from values that are as good as any, since quantiles of t are dear and a chart has thousands of means.
fn half_width(n: usize) -> f64 {
    let values: Vec<f64> = (0..n).map(|value| value as f64).collect();
    let found = sweeps::stats::mean_interval(&values, 0.95);
    let width = found.and_then(|found| Some((found.interval?.high - found.mean) / found.sd?));
    width.unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests;
