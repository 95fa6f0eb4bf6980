//! The figures of a report, from the runs of each arm.

use crate::arms::ArmLook;
use crate::band::Band;
use crate::error::ReportError;
use crate::over::{Over, Ruler};
use crate::plot::Figure;
use crate::plot::axis::Scale;
use crate::plot::curves::{self, Curve, Level, Plot};
use crate::plot::dots::{self, Dot, Row};
use crate::prose;
use logs::RunReader;
use sweeps::Classified;

/// Points per curve: more than the pixels of a figure show nothing.
const MOST_COLUMNS: u64 = 440;
/// Points of all curves of a figure, so that the page of very many arms stays small.
const ALL_COLUMNS: u64 = 12_000;
const FEWEST_COLUMNS: u64 = 60;
/// More lines than this could not be told apart.
const MOST_LEVELS: usize = 3;

/// The runs of one arm, as far as they can be read.
pub(crate) struct ArmRuns<'a> {
    /// Number of the arm in the page.
    pub(crate) number: usize,
    pub(crate) look: ArmLook,
    pub(crate) readers: Vec<&'a RunReader>,
    /// Finished runs by name, how they ended, and whether that counts as a failure to train.
    pub(crate) ends: Vec<(&'a str, &'a Classified, bool)>,
}

/// A signal that gets a figure.
struct Signal {
    name: &'static str,
    figure: &'static str,
    title: &'static str,
    caption: &'static str,
    unit: &'static str,
    scale: Scale,
    height: i32,
    /// Whether the stuck level belongs into it.
    loss: bool,
    /// Drawn only where some value differs from this one.
    unless: Option<f64>,
}

const SIGNALS: [Signal; 5] = [
    Signal {
        name: "loss",
        figure: "loss",
        title: "Training loss",
        caption: "Cross-entropy of the training batch of each step.",
        unit: "nats per target token",
        scale: Scale::Auto,
        height: 340,
        loss: true,
        unless: None,
    },
    Signal {
        name: "grad_norm",
        figure: "grad-norm",
        title: "Gradient norm",
        caption: "L2 norm over all parameters, unscaled, before clipping.",
        unit: "L2 norm",
        scale: Scale::Log,
        height: 340,
        loss: false,
        unless: None,
    },
    Signal {
        name: "held_out_loss",
        figure: "held-out-loss",
        title: "Held-out loss",
        caption: "Cross-entropy of text that was not trained on.",
        unit: "nats per target token",
        scale: Scale::Auto,
        height: 260,
        loss: true,
        unless: None,
    },
    Signal {
        name: "embedding_share",
        figure: "embedding-share",
        title: "Embedding share",
        caption: "Share of the embedding in the squared global gradient norm.",
        unit: "share",
        scale: Scale::Linear,
        height: 260,
        loss: false,
        unless: None,
    },
    Signal {
        name: "loss_scale",
        figure: "loss-scale",
        title: "Loss scale",
        caption: "Dynamic loss scale of FP16; a fall means that a gradient overflowed.",
        unit: "scale",
        scale: Scale::Log2,
        height: 260,
        loss: false,
        // Where nothing is scaled the scale is 1 throughout.
        unless: Some(1.0),
    },
];

/// Draws every figure for which something was recorded.
pub(crate) fn draw(
    arms: &[ArmRuns<'_>],
    levels: &[Level],
    over: Over,
) -> Result<Vec<Figure>, ReportError> {
    let runs = arms.iter().flat_map(|arm| arm.readers.iter().copied());
    let ruler = Ruler::of(over, runs);
    let mut figures = Vec::new();
    let all: Vec<&ArmRuns<'_>> = arms.iter().collect();
    let rows: Vec<Row> = arms.iter().map(row).collect();
    figures.extend(dots::draw(&rows, levels)?);
    for signal in &SIGNALS {
        let curves = curves(&all, |arm| series(arm, signal.name, ruler));
        let flat = |value| {
            let bands = || curves.iter().map(|curve| &curve.band);
            bands().all(|band| band.marks.is_empty() && band.values().all(|v| v == value))
        };
        if signal.unless.is_some_and(flat) {
            continue;
        }
        figures.extend(curves::draw(&Plot {
            name: signal.figure,
            title: signal.title,
            caption: signal.caption,
            x_label: ruler.unit(),
            y_label: signal.unit,
            scale: signal.scale,
            curves: &curves,
            levels: if signal.loss { levels } else { &[] },
            height: signal.height,
        })?);
    }
    Ok(figures)
}

/// A curve for each arm from what `series` finds of it, the panels one after another.
pub(crate) fn curves(
    arms: &[&ArmRuns<'_>],
    series: impl Fn(&ArmRuns<'_>) -> Vec<Vec<(u64, f64)>>,
) -> Vec<Curve> {
    let columns = (ALL_COLUMNS / arms.len().max(1) as u64).clamp(FEWEST_COLUMNS, MOST_COLUMNS);
    let curve = |arm: &ArmRuns<'_>| Curve {
        label: arm.look.name.clone(),
        brief: arm.look.brief.clone(),
        panel: arm.look.panel.clone(),
        paint: arm.look.paint,
        arm: arm.number,
        band: Band::new(&series(arm), columns),
    };
    let mut curves: Vec<Curve> = arms.iter().map(|arm| curve(arm)).collect();
    let mut panels: Vec<String> = Vec::new();
    for curve in &curves {
        if !panels.contains(&curve.panel) {
            panels.push(curve.panel.clone());
        }
    }
    curves.sort_by_key(|curve| panels.iter().position(|panel| *panel == curve.panel));
    curves
}

fn series(arm: &ArmRuns<'_>, name: &str, ruler: Ruler) -> Vec<Vec<(u64, f64)>> {
    let readers = arm.readers.iter();
    readers.map(|reader| ruler.series(reader, name)).collect()
}

fn row(arm: &ArmRuns<'_>) -> Row {
    let dot = |(run, end, event): &(&str, &Classified, bool)| {
        // A run whose loss was not finite may still have a finite held-out loss from before.
        let finite = end.outcome != sweeps::Outcome::Nonfinite;
        Dot {
            run: (*run).to_owned(),
            value: end.value.filter(|value| value.is_finite() && finite),
            event: *event,
        }
    };
    Row {
        label: arm.look.name.clone(),
        arm: arm.number,
        paint: arm.look.paint,
        dots: arm.ends.iter().map(dot).collect(),
    }
}

/// The lines above which a run is stuck, from the runs' unigram entropies. They differ between
/// runs only where an arm changes the text or its tokens.
pub(crate) fn levels(entropies: impl Iterator<Item = f64>, margin: f64) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for entropy in entropies.filter(|entropy| entropy.is_finite()) {
        let short = format!("stuck above {:.3}", entropy - margin);
        if levels.iter().all(|level| level.short != short) {
            levels.push(Level {
                value: entropy - margin,
                label: format!(
                    "{short} (unigram entropy {entropy:.3} − {})",
                    prose::significant(margin, 3)
                ),
                short,
            });
        }
    }
    if levels.len() > MOST_LEVELS {
        Vec::new()
    } else {
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_levels_are_one_line() {
        let found = levels([3.5401, 3.540_12, f64::NAN].into_iter(), 0.05);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].label,
            "stuck above 3.490 (unigram entropy 3.540 − 0.05)"
        );
        assert!(
            levels((0..9).map(f64::from), 0.05).is_empty(),
            "too many to tell apart"
        );
    }
}
