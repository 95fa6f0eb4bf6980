//! Signals of every layer: how they are spread over the depth, early and late.

use crate::error::ReportError;
use crate::figures::{ArmRuns, curves};
use crate::plot::axis::Scale;
use crate::plot::curves::{self as plot, Plot};
use crate::plot::heat::{self, Grid};
use crate::plot::{Figure, Kind, Panel};
use crate::prose::significant;
use logs::{Record, RunReader};

/// Runs whose layers are read, of all arms together: most of the bytes of a run are its layers.
const MOST_RUNS: usize = 60;
/// Share of the recorded steps that counts as early, and as late.
const PART: f64 = 0.1;

/// Arms that have a heat map; of more of them so many from the first to the last.
const MOST_MAPS: usize = 4;

/// A per-layer signal that gets figures: its name, that of the figures, title and unit.
const SIGNALS: [(&str, &str, &str, &str); 2] = [
    (
        "layer_grad_norm",
        "layer-grad-norm",
        "Gradient norm by layer",
        "L2 norm",
    ),
    (
        "layer_activation_rms",
        "layer-activation",
        "Activations by layer",
        "root mean square",
    ),
];

/// Where the layers of an arm's runs come from.
pub(crate) enum WithLayers<'a> {
    /// Readers that have them.
    Read(Vec<&'a RunReader>),
    /// Runs that were read again, and of how many.
    Again(Vec<RunReader>, usize),
}

impl WithLayers<'_> {
    /// Reads the layers of some runs of an arm, the first ones, of `arms` arms. What cannot be read is left out; the runs
    /// table says so already.
    pub(crate) fn of(arm: &ArmRuns<'_>, arms: usize) -> Self {
        let most = (MOST_RUNS / arms.max(1)).max(1);
        let again = arm.readers.iter().take(most);
        let readers = again
            .filter_map(|reader| RunReader::open(reader.dir()).ok())
            .collect();
        Self::Again(readers, arm.readers.len())
    }

    fn readers(&self) -> Vec<&RunReader> {
        match self {
            Self::Read(readers) => readers.clone(),
            Self::Again(readers, _) => readers.iter().collect(),
        }
    }

    fn left_out(&self) -> usize {
        match self {
            Self::Read(_) => 0,
            Self::Again(readers, all) => all - readers.len(),
        }
    }
}

/// The figures of every such signal that was recorded.
pub(crate) fn draw(arms: &[(&ArmRuns<'_>, WithLayers<'_>)]) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for (signal, figure, title, unit) in SIGNALS {
        for (early, part) in [(true, "early"), (false, "late")] {
            let name = format!("{figure}-{part}");
            figures.extend(profile(
                arms,
                (signal, early),
                (&name, &format!("{title}, {part}"), unit),
            )?);
        }
        figures.extend(maps(arms, signal, figure, title)?);
    }
    Ok(figures)
}

/// The maps of all arms, each of its first run, and which of them are drawn.
fn chosen(
    arms: &[(&ArmRuns<'_>, WithLayers<'_>)],
    signal: &str,
) -> (Vec<(String, Grid)>, Vec<usize>) {
    let grid = |(arm, layers): &(&ArmRuns<'_>, WithLayers<'_>)| {
        let runs = layers.readers();
        let grid = runs
            .iter()
            .find_map(|run| Grid::of(run.records(), signal))?;
        Some((arm.look.name.clone(), grid))
    };
    let all: Vec<(String, Grid)> = arms.iter().filter_map(grid).collect();
    let last = all.len().saturating_sub(1);
    let mut drawn: Vec<usize> = (0..MOST_MAPS)
        .map(|map| map * last / (MOST_MAPS - 1))
        .collect();
    drawn.dedup();
    (all, drawn)
}

/// A heat map of the first run of some arms, with one scale of colours.
fn maps(
    arms: &[(&ArmRuns<'_>, WithLayers<'_>)],
    signal: &str,
    figure: &str,
    title: &str,
) -> Result<Option<Figure>, ReportError> {
    let (all, grids) = chosen(arms, signal);
    let grids: Vec<&(String, Grid)> = grids
        .into_iter()
        .filter_map(|place| all.get(place))
        .collect();
    let scales: Vec<&Grid> = grids.iter().map(|(_, grid)| grid).collect();
    let Some(range) = heat::range(&scales) else {
        return Ok(None);
    };
    let name = format!("{figure}-map");
    let whole = format!("{title}, over training");
    let description = format!(
        "{whole}: steps from left to right, layer 0 at the bottom; values go from {} to {}.",
        significant(range.0, 3),
        significant(range.1, 3)
    );
    let mut panels = Vec::new();
    for (number, (arm, grid)) in grids.iter().enumerate() {
        let name = if grids.len() == 1 {
            name.clone()
        } else {
            format!("{name}-{}", number + 1)
        };
        let svg = heat::draw(
            grid,
            range,
            (&name, &format!("{whole}, {arm}"), &description),
        )?;
        panels.push(Panel {
            name,
            title: arm.clone(),
            svg,
        });
    }
    let more = match all.len() - grids.len() {
        0 => String::new(),
        more => format!(" {} more have none.", words::counted(more as u64, "arm")),
    };
    let table = heat::table(grids.iter().map(|(arm, grid)| (arm.as_str(), grid)));
    Ok(Some(Figure {
        name,
        title: whole,
        description,
        caption: format!(
            "The first run of an arm, layer 0 at the bottom; each cell is the largest value in it.{more} Logarithmic colours."
        ),
        panels,
        data: table.address(),
        kind: Kind::Map,
    }))
}

fn profile(
    arms: &[(&ArmRuns<'_>, WithLayers<'_>)],
    (signal, early): (&str, bool),
    (name, title, unit): (&str, &str, &str),
) -> Result<Option<Figure>, ReportError> {
    let left_out: usize = arms.iter().map(|(_, layers)| layers.left_out()).sum();
    let part = if early { "first" } else { "last" };
    let mut caption = format!(
        "Layer 0 is the lowest. Each value is the median over the {part} tenth of the steps that recorded it; a band reaches over \
         the runs of an arm."
    );
    if left_out > 0 {
        let more = words::counted(left_out as u64, "run");
        caption = format!("{caption} The layers of {more} more are not read.");
    }
    let of = |arm: &ArmRuns<'_>| {
        let found = arms.iter().find(|(known, _)| known.number == arm.number);
        let readers = found.map_or(Vec::new(), |(_, layers)| layers.readers());
        readers
            .iter()
            .map(|reader| depth(reader.records(), signal, early))
            .collect()
    };
    let own: Vec<&ArmRuns<'_>> = arms.iter().map(|(arm, _)| *arm).collect();
    let curves = curves(&own, of);
    plot::draw(&Plot {
        name,
        title,
        caption: &caption,
        x_label: "layer",
        y_label: unit,
        scale: Scale::Auto,
        curves: &curves,
        levels: &[],
        height: 280,
    })
}

/// Layer and median of its values over the first or last steps that recorded them; what is not finite is left out where
/// anything is finite.
fn depth(records: &[Record], signal: &str, early: bool) -> Vec<(u64, f64)> {
    let recorded: Vec<&Vec<f64>> = records
        .iter()
        .filter_map(|record| record.layers.get(signal))
        .collect();
    let count = ((recorded.len() as f64 * PART).ceil() as usize).min(recorded.len());
    let part = if early {
        &recorded[..count]
    } else {
        &recorded[recorded.len() - count..]
    };
    let layers = part.iter().map(|values| values.len()).max().unwrap_or(0);
    let of = |layer: usize| {
        let values = part.iter().filter_map(|values| values.get(layer).copied());
        let mut finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        (
            layer as u64,
            crate::band::median(&mut finite).unwrap_or(f64::NAN),
        )
    };
    (0..layers).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_the_median_of_its_steps_and_says_where_nothing_was_finite() {
        let record = |step: u64| {
            let mut record = Record::new(step);
            let first = if step == 2 { 1e9 } else { step as f64 };
            record.set_layers_named("layer_grad_norm", vec![first, f64::NAN]);
            record
        };
        let records: Vec<Record> = (1..=30).map(record).collect();
        let early = depth(&records, "layer_grad_norm", true);
        assert_eq!(early[0], (0, 3.0), "a single step does not move it");
        assert!(early[1].1.is_nan());
        assert_eq!(depth(&records, "layer_grad_norm", false)[0], (0, 29.0));
        assert!(depth(&records, "layer_param_norm", true).is_empty());
        assert!(depth(&[], "layer_grad_norm", true).is_empty());
    }
}
