//! The losses of a run and of what branched off from it: the twins of a replay around its step, one panel for each kind of
//! change, or forks.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Chart, Drawn, Frame, Key, Layer, PX, WIDTH, stroke};
use crate::plot::data::{Table, number};
use crate::plot::palette::{self, Colour, FAINT, INK};
use crate::plot::{Figure, Kind, Panel, panels};
use crate::prose::significant;
use logs::{Record, RunReader};
use plotters::element::{Circle, DashedPathElement, PathElement};
use plotters::style::Color;
use std::path::Path;
use sweeps::replay::{CONTROL, Replay, Row, TWINS, TWINS_DIR};

/// Steps behind the step that the figure of a replay shows.
const SHOWN: u64 = 40;

/// A loss over the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct LossLine {
    /// Of the run or twin.
    pub name: String,
    /// The panel it belongs to; none for the line that is in all of them.
    pub panel: Option<String>,
    /// Step, perhaps counted from another one, and loss, nats per token.
    pub points: Vec<(f64, f64)>,
}

impl LossLine {
    /// Of the records that are at most of step `last`.
    pub(crate) fn new(name: &str, panel: Option<String>, records: &[Record], last: u64) -> Self {
        let shown = records.iter().filter(|record| record.step <= last);
        let loss = |record: &Record| record.scalar("loss").unwrap_or(f64::NAN);
        let point = |record: &Record| (record.step as f64, loss(record));
        Self {
            name: name.to_owned(),
            panel,
            points: shown.map(point).collect(),
        }
    }
}

/// What the panels of a figure have in common.
pub(crate) struct Panels<'a> {
    /// The root of their names.
    pub(crate) name: &'a str,
    /// What they show, before the name of the panel.
    pub(crate) title: &'a str,
    /// What to know to read them.
    pub(crate) caption: &'a str,
    /// What is on the axis of the steps, before the name of the panel.
    pub(crate) x: &'a str,
    /// A step that is marked.
    pub(crate) mark: f64,
}

/// Height of a panel without its legend, in CSS pixels.
const HEIGHT: i32 = 320;
/// Height of a line of the legend.
const LEGEND: i32 = 20;
const DASH: (i32, i32) = (5, 4);

/// The figure of the replay in `dir`, whose twins lie there; none where they are gone.
pub(crate) fn figure(
    dir: &Path,
    replay: &Replay,
    name: &str,
) -> Result<Option<Figure>, ReportError> {
    let at = replay.table.at;
    let panels = Panels {
        name,
        title: "Loss of the twins",
        caption: &format!(
            "A panel for each kind of change, the control in all of them. A dashed line marks step {at}."
        ),
        x: "step",
        mark: at as f64,
    };
    panels.figure(&lines(dir, replay))
}

/// The panels of the replay in `dir`, two in a row, as an SVG document that needs nothing else.
pub fn replay_svg(dir: &Path, replay: &Replay) -> Result<String, ReportError> {
    let title = format!("Step {} again", replay.table.at);
    let height = height(&lines(dir, replay));
    Ok(document(&title, figure(dir, replay, "replay")?, height))
}

/// Losses around step 0, a panel for each that a line names, as an SVG document that needs nothing else. `x` says from where steps are
/// counted.
pub fn losses_svg(title: &str, x: &str, lines: &[LossLine]) -> Result<String, ReportError> {
    let panels = Panels {
        name: "losses",
        title: "Loss",
        caption: "",
        x,
        mark: 0.0,
    };
    Ok(document(title, panels.figure(lines)?, height(lines)))
}

fn document(title: &str, figure: Option<Figure>, height: i32) -> String {
    let drawn = figure.into_iter().flat_map(|figure| figure.panels);
    let drawn: Vec<String> = drawn.map(|panel| panel.svg).collect();
    panels::document("replay", title, height, &drawn)
}

fn lines(dir: &Path, replay: &Replay) -> Vec<LossLine> {
    let line = |row: &Row| {
        row.end.told()?;
        // The name is from a file and becomes a path: only one that a twin has.
        let twin = TWINS.iter().find(|twin| twin.name == row.twin)?;
        let reader = RunReader::open_scalars(&dir.join(TWINS_DIR).join(twin.name)).ok()?;
        let panel = twin
            .cause
            .map_or("other".to_owned(), |cause| cause.to_string());
        let panel = (twin.name != CONTROL).then_some(panel);
        let line = LossLine::new(
            twin.name,
            panel,
            reader.records(),
            replay.table.at.saturating_add(SHOWN),
        );
        (!line.points.is_empty()).then_some(line)
    };
    replay.table.rows.iter().filter_map(line).collect()
}

/// Names of the panels, in the order of the lines.
fn names(lines: &[LossLine]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in lines.iter().filter_map(|line| line.panel.as_deref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The lines of a panel, those of all panels too.
fn of_panel<'a>(panel: &str, lines: &'a [LossLine]) -> Vec<&'a LossLine> {
    let fits = |line: &&LossLine| line.panel.as_deref().is_none_or(|own| own == panel);
    lines.iter().filter(fits).collect()
}

/// Height of a panel in CSS pixels: that of the one with most lines.
fn height(lines: &[LossLine]) -> i32 {
    let names = names(lines).into_iter();
    let most = names.map(|panel| of_panel(panel, lines).len()).max();
    HEIGHT + LEGEND * most.unwrap_or(0) as i32
}

impl Panels<'_> {
    /// One panel for each that a line names, all of one size and with the same axes; none without a panel.
    pub(crate) fn figure(&self, lines: &[LossLine]) -> Result<Option<Figure>, ReportError> {
        let all = || lines.iter().flat_map(|line| line.points.iter());
        let axes = (
            Axis::new(Scale::Linear, all().map(|point| point.0), 6),
            Axis::new(Scale::Auto, all().map(|point| point.1), 6),
        );
        let height = height(lines);
        let panels = names(lines).into_iter().enumerate();
        let drawn = panels.map(|panel| self.panel(panel, &of_panel(panel.1, lines), &axes, height));
        let panels = drawn.collect::<Result<Vec<_>, _>>()?;
        if panels.is_empty() {
            return Ok(None);
        }
        Ok(Some(Figure {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            description: peaks(&lines.iter().collect::<Vec<_>>()),
            caption: self.caption.to_owned(),
            panels,
            data: self.table(lines).address(),
            kind: Kind::Curves,
        }))
    }

    /// A row for each point that is drawn.
    fn table(&self, lines: &[LossLine]) -> Table {
        let mut table = Table::new([self.x, "run", "loss"]);
        for line in lines {
            for (step, loss) in &line.points {
                table.row([step.to_string(), line.name.clone(), number(*loss)]);
            }
        }
        table
    }

    fn panel(
        &self,
        (place, panel): (usize, &str),
        lines: &[&LossLine],
        (x, y): &(Axis, Axis),
        height: i32,
    ) -> Result<Panel, ReportError> {
        let legend = lines.iter().enumerate().map(|(place, line)| {
            let (colour, dash) = look(place, line);
            (Key::Line(colour, dash), line.name.clone())
        });
        let name = format!("{}-{place}", self.name);
        let x_label = format!("{} · {panel}", self.x);
        let frame = Frame {
            name: &name,
            title: &format!("{}: {panel}", self.title),
            description: &peaks(lines),
            size: (WIDTH, height),
            left: 26 + y.label_width(),
            legend: legend.collect(),
            names: Vec::new(),
            x,
            x_label: &x_label,
            y,
            y_label: "loss, nats/token",
        };
        let mut layers = vec![Layer::fixed(|chart| mark(chart, self.mark, y))];
        // The line of all panels last, on top.
        for (place, line) in lines.iter().enumerate().rev() {
            let look = look(place, line);
            layers.push(Layer::fixed(move |chart| curve(chart, line, look)).titled(&line.name));
        }
        Ok(Panel {
            svg: canvas::draw_layers(&frame, &layers)?,
            title: panel.to_owned(),
            name,
        })
    }
}

/// The step that is marked, a dashed line from the bottom to the top.
fn mark(chart: &mut Chart<'_, '_>, step: f64, y: &Axis) -> Drawn {
    let (low, high) = y.ends();
    let (dash, gap) = DASH;
    chart.plotting_area().draw(&DashedPathElement::new(
        [(step, low), (step, high)],
        dash * PX,
        gap * PX,
        stroke(FAINT, 1),
    ))
}

/// The highest loss of each line, in words.
fn peaks(lines: &[&LossLine]) -> String {
    let peak = |line: &&LossLine| {
        let losses = line.points.iter().map(|point| point.1);
        let highest = losses.fold(f64::NEG_INFINITY, f64::max);
        format!("{} up to {}", line.name, significant(highest, 3))
    };
    let peaks: Vec<String> = lines.iter().map(peak).collect();
    format!("Largest loss: {}.", peaks.join(", "))
}

/// Colour and dash of a line.
fn look(place: usize, line: &LossLine) -> (Colour, Option<(i32, i32)>) {
    match line.panel {
        None => (INK, None),
        Some(_) => (palette::arm(place), palette::paint(place).dash),
    }
}

/// Broken where the loss is not finite.
fn curve(
    chart: &Chart<'_, '_>,
    line: &LossLine,
    (colour, dash): (Colour, Option<(i32, i32)>),
) -> Drawn {
    let area = chart.plotting_area();
    for part in line.points.split(|point| !point.1.is_finite()) {
        match (part, dash) {
            ([], _) => {}
            ([alone], _) => area.draw(&Circle::new(*alone, 2 * PX, colour.rgb().filled()))?,
            (_, None) => area.draw(&PathElement::new(part.to_vec(), stroke(colour, 2)))?,
            (_, Some((dash, gap))) => {
                area.draw(&DashedPathElement::new(
                    part.to_vec(),
                    dash * PX,
                    gap * PX,
                    stroke(colour, 2),
                ))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_has_a_panel_with_the_control_in_it() {
        let line = |name: &str, panel: Option<&str>| LossLine {
            name: name.to_owned(),
            panel: panel.map(str::to_owned),
            points: [3.0, 8.0, f64::NAN, 4.0, 3.5]
                .iter()
                .zip(1..)
                .map(|(loss, step)| (f64::from(step), *loss))
                .collect(),
        };
        let lines = [
            line("same", None),
            line("skip", Some("data")),
            line("fp32", Some("precision")),
            line("bf16", Some("precision")),
        ];
        let panels = Panels {
            name: "replay",
            title: "Loss of the twins",
            caption: "",
            x: "step",
            mark: 2.0,
        };
        let figure = panels.figure(&lines).unwrap().unwrap();
        assert!(
            figure
                .data
                .contains("step,run,loss%0A1,same,3%0A2,same,8%0A3,same,nan")
        );
        let svg = document("Step 2 & its <twins>", Some(figure), height(&lines));
        assert!(svg.contains("Step 2 &amp; its &lt;twins&gt;"));
        assert!(
            svg.contains("Loss of the twins: data") && svg.contains("Loss of the twins: precision")
        );
        assert!(
            svg.contains("same up to 8, fp32 up to 8, bf16 up to 8"),
            "{svg}"
        );
        assert!(
            svg.contains("\nstep · data\n") && svg.contains("\nstep · precision\n"),
            "a panel says what it is of where no page does"
        );
        assert_eq!(svg.matches("<svg").count(), 3);
    }
}
