//! Failures along an axis of numbers: the share that failed at each value, the fitted curve, and where half of the runs fail.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use sweeps::Event;
use sweeps::card::number;
use sweeps::stats::{DoseCurve, Ld50, Trial, dose_curve};

use crate::braille::{Board, Layer};
use crate::colour::{Depth, Ink, strong};
use crate::command::{Outcome, PaneCommand, commands};
use crate::keys::{Binding, bindings, letter};
use crate::paint::{cut, hint, put, put_right, row};
use crate::pane::{Act, Entry, Keys, Pane, Place};
use crate::shared::{Shared, resolve};

pub(super) const ENTRY: Entry = Entry {
    name: "dose",
    title: "Dose",
    about: "dose: where along an axis half of the runs fail",
    corner: None,
    make: || Box::new(Doses::default()),
};

/// Of the interval over seeds.
const LEVEL: f64 = 0.95;
/// Of the bootstrap, so that the interval is the same each time.
const SEED: u64 = 20_221_005;

#[derive(Default)]
struct Doses {
    /// The key that the user chose.
    along: Option<String>,
    key: String,
    arms: Vec<Dosed>,
    made_from: Vec<(String, Ink, Vec<Trial>)>,
}

/// Arms that differ only in the dose.
struct Dosed {
    name: String,
    ink: Ink,
    curve: DoseCurve,
}

impl Keys for Doses {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('d')] "d" "axis" "next axis of numbers for the dose" |pane, shared| pane.turn(shared);
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "dose" "KEY" "the axis along which runs fail" =>
            |pane, shared, key| pane.choose(shared, key),
            |_, shared| axes(shared),
            |pane, _| pane.along.clone();
    ];
}

impl Pane for Doses {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        if place.is_none() {
            return;
        }
        let axes = axes(shared);
        let chosen = self.along.clone().filter(|key| axes.contains(key));
        self.key = chosen.or_else(|| axes.last().cloned()).unwrap_or_default();
        let trials = trials(shared, &self.key);
        if self.made_from != trials {
            let dosed = |(name, ink, trials): &(String, Ink, Vec<Trial>)| {
                let curve = dose_curve(trials, LEVEL, SEED)?;
                Some(Dosed {
                    name: name.clone(),
                    ink: *ink,
                    curve,
                })
            };
            self.arms = trials.iter().filter_map(dosed).collect();
            self.made_from = trials;
        }
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let title = vec![
            Span::styled(" Dose ", strong()),
            Span::styled(
                format!("· share of failed runs along {} ", self.key),
                depth.dim(),
            ),
        ];
        place
            .frame(Line::from(title), Line::default(), depth)
            .render(place.area, buffer);
        let inner = place.inner();
        if self.arms.is_empty() {
            hint(
                buffer,
                inner,
                "no axis of numbers above zero, or no run with an outcome",
                depth,
            );
            return;
        }
        let wanted = self.arms.len() as u16 + 1;
        let sizes = [
            Constraint::Fill(1),
            Constraint::Length(wanted.min(inner.height / 2)),
        ];
        let [chart, list] = Layout::vertical(sizes).areas(inner);
        self.chart(chart, depth, buffer);
        self.list(list, depth, buffer);
    }

    fn table(&self, _: &mut Shared) -> Option<Vec<Vec<String>>> {
        let mut table = vec![
            [
                "arms",
                &*self.key,
                "failed",
                "runs",
                "share_low",
                "share_high",
            ]
            .map(str::to_owned)
            .into(),
        ];
        for arm in &self.arms {
            for at in &arm.curve.doses {
                let ends = at.count.clopper_pearson(LEVEL);
                let numbers = [
                    at.dose,
                    at.count.events as f64,
                    at.count.n as f64,
                    ends.low,
                    ends.high,
                ];
                table.push(
                    [
                        vec![arm.name.clone()],
                        numbers.map(|number| number.to_string()).into(),
                    ]
                    .concat(),
                );
            }
        }
        Some(table)
    }
}

/// Keys whose values are all numbers above zero, and more than one.
fn axes(shared: &Shared) -> Vec<String> {
    let runs = &shared.sweep().runs;
    let usable = |key: &String| {
        let mut values = runs.iter().filter_map(|run| run.settings.get(key));
        values.all(|value| number(value).is_some_and(|number| number > 0.0))
    };
    let axes = shared.groups.arms.axes.iter().map(|axis| axis.key.clone());
    axes.filter(usable).collect()
}

/// The runs with an outcome by everything that they are but for the dose, with the colour of their first arm.
fn trials(shared: &Shared, key: &str) -> Vec<(String, Ink, Vec<Trial>)> {
    let mut all: Vec<(String, Ink, Vec<Trial>)> = Vec::new();
    for run in shared
        .runs()
        .filter(|run| shared.is_shown(*run) && !shared.is_branch(*run))
    {
        let shown = &shared.sweep().runs[run];
        let dose = shown.settings.get(key).and_then(number);
        let (Some(dose), Some(outcome), Some(seed)) = (dose, shown.outcome, shown.seed) else {
            continue;
        };
        let others = shown
            .settings
            .iter()
            .filter(|(other, _)| *other != key && shared.groups.arms.differ(other));
        let name: Vec<String> = others
            .map(|(key, value)| sweeps::card::named(key, value))
            .collect();
        let name = if name.is_empty() {
            "all arms".to_owned()
        } else {
            name.join(" ")
        };
        let trial = Trial {
            seed,
            dose,
            failed: Event::FAILURES.contains(&Event::Outcome(outcome)),
        };
        let known = all.iter().position(|(known, ..)| *known == name);
        if known.is_none() {
            all.push((name, Ink::plain(all.len()), Vec::new()));
        }
        let place = known.unwrap_or(all.len() - 1);
        all[place].2.push(trial);
    }
    all
}

impl Doses {
    fn turn(&mut self, shared: &Shared) {
        let axes = axes(shared);
        let here = axes.iter().position(|key| *key == self.key);
        self.along = here.and_then(|here| axes.get((here + 1) % axes.len()).cloned());
    }

    fn choose(&mut self, shared: &Shared, key: &str) -> Outcome {
        self.along = match key {
            "" => None,
            key => Some(resolve(key, &axes(shared))?),
        };
        Ok(())
    }

    /// The least and the greatest dose, and a little more.
    fn range(&self) -> (f64, f64) {
        let doses = self
            .arms
            .iter()
            .flat_map(|arm| arm.curve.doses.iter().map(|at| at.dose.log2()));
        let (low, high) = doses.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        let margin = ((high - low) * 0.04).max(0.1);
        (low - margin, high + margin)
    }

    /// Curves as lines, what was seen as points on them.
    fn chart(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let [margin, right] =
            Layout::horizontal([Constraint::Length(6), Constraint::Fill(1)]).areas(area);
        let [plot, axis] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(right);
        if plot.is_empty() {
            return;
        }
        let (low, high) = self.range();
        let width = f64::from(plot.width) * 2.0 - 1.0;
        let height = f64::from(plot.height) * 4.0 - 1.0;
        let column = |log: f64| (log - low) / (high - low) * width;
        let line = |share: f64| (1.0 - share) * height;
        for (share, label) in [(1.0, "1"), (0.5, "½"), (0.0, "0")] {
            let y = plot.y + (line(share) / 4.0) as u16;
            put_right(
                buffer,
                row(margin, y),
                margin.right() - 1,
                label,
                depth.dim(),
            );
            put(
                buffer,
                row(plot, y),
                plot.x,
                &"· ".repeat(usize::from(plot.width.div_ceil(2))),
                depth.faint(),
            );
        }
        let mut board = Board::new(plot.width, plot.height);
        for arm in &self.arms {
            let at = |dot: usize| {
                arm.curve
                    .share((low + dot as f64 / width * (high - low)).exp2())
                    .map(|share| (dot as f64, line(share)))
            };
            let dots: Vec<(f64, f64)> = (0..board.dots_x()).filter_map(at).collect();
            for pair in dots.windows(2) {
                board.line(pair[0], pair[1], depth.arm(arm.ink), Layer::Normal);
            }
        }
        board.render(plot, buffer);
        let mut free = axis.x;
        for (number, arm) in self.arms.iter().enumerate() {
            for at in &arm.curve.doses {
                let x = plot.x + (column(at.dose.log2()).clamp(0.0, width) / 2.0) as u16;
                let y = plot.y + (line(at.count.share()) / 4.0) as u16;
                let mark = if depth.coloured() {
                    '●'
                } else {
                    sign(number)
                };
                put(
                    buffer,
                    row(plot, y),
                    x,
                    &mark.to_string(),
                    depth.arm(arm.ink),
                );
                if x >= free && number == 0 {
                    free = put(buffer, axis, x, &short(at.dose), depth.dim()) + 1;
                }
            }
        }
    }

    fn list(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let heading = format!(
            "half of the runs fail at {}, 95 % interval over seeds",
            self.key
        );
        put(
            buffer,
            area,
            area.x + 1,
            &cut(&heading, area.width.saturating_sub(2)),
            depth.dim(),
        );
        let longest = self
            .arms
            .iter()
            .map(|arm| Line::raw(arm.name.as_str()).width() as u16)
            .max()
            .unwrap_or(0);
        let longest = longest.min(area.width / 2);
        for ((number, arm), line) in self.arms.iter().enumerate().zip(area.rows().skip(1)) {
            let mark = if depth.coloured() {
                '━'
            } else {
                sign(number)
            };
            let name = cut(&arm.name, longest);
            put(
                buffer,
                line,
                line.x + 1,
                &format!("{mark} {name}"),
                depth.arm(arm.ink),
            );
            let (text, warns) = words(&arm.curve);
            let style = if warns { depth.warn() } else { Style::new() };
            let x = line.x + longest + 5;
            put(
                buffer,
                line,
                x,
                &cut(&text, line.right().saturating_sub(x + 1)),
                style,
            );
        }
    }
}

/// What stands for a curve where there are no colours.
fn sign(arm: usize) -> char {
    char::from(b'a' + (arm % 26) as u8)
}

/// Three digits, as people write them: `0.001`, `0.00274`.
fn short(dose: f64) -> String {
    let scale = 10f64.powf(2.0 - dose.abs().log10().floor());
    let rounded = (dose * scale).round() / scale;
    words::number(if rounded.is_finite() { rounded } else { dose })
}

/// The dose in words, and whether it says less than it seems to.
fn words(curve: &DoseCurve) -> (String, bool) {
    let interval = curve.interval.map_or_else(
        || ", no interval".to_owned(),
        |ends| format!(" ({} to {})", short(ends.low), short(ends.high)),
    );
    match curve.ld50 {
        Ld50::At(dose) => (format!("{}{interval}", short(dose)), false),
        Ld50::Between(ends) => {
            let (low, high) = (short(ends.low), short(ends.high));
            (
                format!(
                    "between {low} and {high}: no run failed below, all above; any point would be the grid's middle"
                ),
                true,
            )
        }
        Ld50::AboveAll(dose) => (format!("above {}, the highest value", short(dose)), true),
        Ld50::BelowAll(dose) => (format!("below {}, the lowest value", short(dose)), true),
        Ld50::NoTrend => ("failures do not become more frequent".to_owned(), true),
    }
}
