//! What `explain` prints for people.

use super::Explained;
use experiments::explain::{Explanation, Nonfinite, Part, Passed, Row, SequenceShare, Share};
use std::fmt::Write as _;
use words::{Table, counted, cut_columns, decimal, number, printable_line};

/// Columns of a sequence's text.
const WIDTH: usize = 60;
/// Columns of the names of texts.
const SOURCE: usize = 28;

pub(super) fn text(explained: &Explained, top: usize) -> String {
    let mut text = String::new();
    for told in &explained.steps {
        text += &step(told, top);
        text.push('\n');
    }
    if explained.steps.is_empty() {
        let run = &explained.run;
        let _ = writeln!(
            text,
            "`{run}` has no alarm and its loss no spike; `workbench explain {run} --at STEP` explains any step"
        );
    }
    if !explained.left_out.is_empty() {
        let steps: Vec<_> = explained.left_out.iter().map(u64::to_string).collect();
        let _ = writeln!(
            text,
            "left out: {} with an alarm or a spike ({}); name them with --at",
            counted(steps.len() as u64, "more step"),
            cut_columns(&steps.join(", "), WIDTH)
        );
    }
    text
}

fn step(told: &Explanation, top: usize) -> String {
    let clip = match (told.clip_coefficient, told.skipped) {
        (_, Some(why)) => format!("no update, {why}"),
        (Some(clip), None) if clip < 1.0 => format!(
            "clipped by {} (limit {})",
            short(clip),
            number(told.clip_limit)
        ),
        _ => "not clipped".to_owned(),
    };
    let mut text = format!(
        "step {}: loss {}, gradient norm {}, {clip}\n\
         learning rate {} · loss scale {} · checkpoint of step {}, taken forward\n",
        told.step,
        decimal(told.loss, 4),
        short(told.grad_norm),
        short(told.lr),
        number(told.loss_scale),
        told.checkpoint
    );
    if let Some(first) = &told.nonfinite {
        text += &nonfinite(first);
    }
    text += &drivers(told);
    let _ = write!(
        text,
        "\nsquared gradient norm by layer and role\n{}",
        parts(told)
    );
    if !told.rows.is_empty() {
        let _ = write!(text, "\ntokens and positions\n{}", rows(told));
    }
    let _ = write!(text, "\nsequences\n{}", sequences(&told.sequences, top));
    text += &noise(told);
    if !told.range.is_empty() {
        let _ = write!(
            text,
            "\nbefore rounding, gradients times the loss scale\n{}",
            range(told)
        );
    }
    text
}

/// Three significant digits.
fn short(value: f64) -> String {
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let whole = value.abs().max(1.0).log10().floor();
    let decimals = if value.abs() < 1.0 {
        4
    } else {
        (2.0 - whole).max(0.0) as usize
    };
    decimal(value, decimals)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

/// In a sentence.
fn place(part: &Part) -> String {
    match (part.layer, part.role) {
        (Some(layer), _) => format!("layer {layer}"),
        (None, Some("norm")) => "norms outside the layers".to_owned(),
        (None, role) => format!("the {}", role.unwrap_or("rest")),
    }
}

/// What the gradient is most of, and what clipping would have been without it.
fn drivers(told: &Explanation) -> String {
    let outside = told.parts.iter().filter(|part| part.layer.is_none());
    let all = outside.chain(&told.layers);
    let part = all.max_by(|a, b| a.share.squared.total_cmp(&b.share.squared));
    let part = part.map(|part| (place(part), part.share));
    let row = told.rows.first().map(|row| (name(row), row.share));
    let driver = |(name, share): (String, Share)| {
        let without = without(told, &share).map(|clip| format!(" (without: clipped by {clip})"));
        share.share.map(|_| {
            format!(
                "{name}, {}{}",
                percent(share.share),
                without.unwrap_or_default()
            )
        })
    };
    let drivers: Vec<_> = part.into_iter().chain(row).filter_map(driver).collect();
    if drivers.is_empty() {
        return String::new();
    }
    format!("most of the squared norm: {}\n", drivers.join("; "))
}

/// The last cell of a row, of a step that was clipped.
fn without(told: &Explanation, share: &Share) -> Option<String> {
    let is_clipped = told.clip_coefficient.is_some_and(|clip| clip < 1.0);
    share.clip_without.filter(|_| is_clipped).map(short)
}

/// Headings of a table whose last column is [`without`].
fn headings<'a>(told: &Explanation, own: &[&'a str]) -> Vec<&'a str> {
    let is_clipped = told.clip_coefficient.is_some_and(|clip| clip < 1.0);
    let last = is_clipped.then_some("clip without");
    own.iter().copied().chain(last).collect()
}

fn parts(told: &Explanation) -> String {
    let own = ["", "share", "norm", "attention", "feed-forward", "norms"];
    let mut table = Table::of_numbers(&headings(told, &own), &[]);
    let mut row = |part: &Part, inner: [String; 3]| {
        let share = &part.share;
        let own = [
            place(part).trim_start_matches("the ").to_owned(),
            percent(share.share),
            short(share.squared.sqrt()),
        ];
        table.row(own.into_iter().chain(inner).chain(without(told, share)));
    };
    for part in told.parts.iter().filter(|part| part.layer.is_none()) {
        row(part, [const { String::new() }; 3]);
    }
    for layer in &told.layers {
        let inner = ["attention", "ffn", "norm"].map(|role| {
            let mut own = told.parts.iter();
            let own = own.find(|part| part.layer == layer.layer && part.role == Some(role));
            own.map_or_else(String::new, |part| percent(part.share.share))
        });
        row(layer, inner);
    }
    table.render(0)
}

fn name(row: &Row) -> String {
    match &row.text {
        Some(text) => format!("token {} `{}`", row.row, printable_line(text)),
        None => format!("position {}", row.row),
    }
}

fn rows(told: &Explanation) -> String {
    let own = ["", "of", "share", "input", "logits", "read", "target"];
    let mut table = Table::of_numbers(&headings(told, &own), &[1]);
    let dash = || "-".to_owned();
    for row in &told.rows {
        let path = |index: usize| row.paths.map(|paths| short(paths[index].sqrt()));
        let own = [
            name(row),
            row.tensor.trim_end_matches(".weight").to_owned(),
            percent(row.share.share),
            path(0).unwrap_or_else(dash),
            path(1).unwrap_or_else(dash),
            row.inputs.to_string(),
            row.targets.map_or_else(dash, |count| count.to_string()),
        ];
        table.row(own.into_iter().chain(without(told, &row.share)));
    }
    table.render(0)
}

/// Those that the gradient is most of, or that are not finite, first.
fn sequences(all: &[SequenceShare], top: usize) -> String {
    let size = |sequence: &SequenceShare| sequence.share.map_or(f64::INFINITY, f64::abs);
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let headings = ["number", "kind", "loss", "norm", "share", "from", "text"];
    let mut table = Table::of_numbers(&headings, &[1, 5, 6]);
    for sequence in sorted.iter().take(top) {
        table.row([
            sequence.number.to_string(),
            sequence.kind.to_owned(),
            short(sequence.loss),
            short(sequence.grad_norm),
            percent(sequence.share),
            from(sequence),
            line(&sequence.text),
        ]);
    }
    let mut text = table.render(0);
    if all.len() > top {
        let _ = writeln!(
            text,
            "and {} of smaller shares",
            counted((all.len() - top) as u64, "sequence")
        );
    }
    text
}

/// The end of a path says more than its beginning.
fn from(sequence: &SequenceShare) -> String {
    let Some(origin) = sequence.origins.first() else {
        return "-".to_owned();
    };
    let file = origin.source.rsplit('/').next().unwrap_or_default();
    let more = match sequence.origins.len() {
        0 | 1 => String::new(),
        all => format!(" +{}", all - 1),
    };
    format!("{}:{}{more}", cut_columns(file, SOURCE), origin.offset)
}

/// A text on one line: blanks of any kind are one.
fn line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    // What is written out takes more columns than it has letters.
    cut_columns(&printable_line(&words.join(" ")), WIDTH)
}

fn noise(told: &Explanation) -> String {
    let Some(noise) = &told.noise else {
        return String::new();
    };
    let scale = match noise.noise_scale {
        Some(scale) => format!("{} sequences", short(scale)),
        None => "larger than this batch can tell".to_owned(),
    };
    format!(
        "gradient noise scale: {scale} (one step, so rough: |G|² {}, tr Σ {})\n",
        short(noise.gradient_squared),
        short(noise.covariance_trace)
    )
}

fn range(told: &Explanation) -> String {
    let headings = [
        "",
        "forward",
        "margin",
        "in",
        "underflow",
        "backward",
        "margin",
        "in",
        "underflow",
    ];
    let mut table = Table::of_numbers(&headings, &[3, 7]);
    for row in &told.range {
        let layer = row.layer;
        let place = layer.map_or_else(|| "outside".to_owned(), |layer| format!("layer {layer}"));
        let mut cells = vec![place];
        for passed in [&row.forward, &row.backward] {
            cells.extend(pass(passed, layer));
        }
        table.row(cells);
    }
    table.render(0)
}

fn pass(passed: &Passed, layer: Option<usize>) -> [String; 4] {
    let margin = passed.margin.map(|margin| format!("×{}", short(margin)));
    let own = layer
        .map(|layer| format!("layers.{layer}."))
        .unwrap_or_default();
    let share = passed.underflow_share;
    [
        short(passed.largest),
        margin.unwrap_or_else(|| "-".to_owned()),
        passed.tensor.trim_start_matches(&own).to_owned(),
        share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", 100.0 * share)),
    ]
}

fn nonfinite(first: &Nonfinite) -> String {
    let mut text = format!(
        "first that is not finite: {} in {}, micro-batch {}",
        first.tensor,
        first.stage.words(),
        first.micro_batch
    );
    match (first.overflow, first.largest, first.limit) {
        (0, _, _) => text += ", before it was rounded",
        (count, Some(largest), Some(limit)) => {
            let _ = write!(
                text,
                ": {} beyond {}, the largest {}, {} times as much",
                counted(count, "value"),
                number(limit),
                short(largest),
                short(largest / limit)
            );
        }
        (count, _, _) => {
            let _ = write!(text, ": {}", counted(count, "value"));
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments::explain::{Origin, Stage};

    fn share(squared: f64) -> Share {
        Share {
            squared,
            share: Some(squared / 4.0),
            clip_without: Some(0.75),
        }
    }

    fn told() -> Explanation {
        let part = |layer, role, squared| Part {
            layer,
            role,
            share: share(squared),
        };
        Explanation {
            step: 122,
            checkpoint: 96,
            deviation: None,
            loss: 8.441_23,
            grad_norm: 2.0,
            lr: 0.004,
            loss_scale: 65536.0,
            skipped: None,
            clip_coefficient: Some(0.5),
            clip_limit: 1.0,
            parts: vec![
                part(None, Some("embedding"), 3.0),
                part(Some(0), Some("ffn"), 1.0),
            ],
            layers: vec![part(Some(0), None, 1.0)],
            roles: Vec::new(),
            rows: vec![Row {
                tensor: "embedding.weight".to_owned(),
                row: 27,
                text: Some("\u{1b}[2J".to_owned()),
                inputs: 3,
                targets: Some(2),
                share: share(2.0),
                paths: Some([1.0, 4.0]),
            }],
            sequences: vec![SequenceShare {
                number: 976,
                kind: "gmask",
                targets: 9,
                loss: 8.0,
                grad_norm: 3.0,
                share: Some(1.0),
                origins: vec![Origin {
                    source: "texts/a.txt".to_owned(),
                    offset: 512,
                }],
                text: "one\n two\u{202e}".to_owned(),
            }],
            noise: None,
            range: Vec::new(),
            nonfinite: Some(Nonfinite {
                tensor: "layers.0.ffn.up".to_owned(),
                layer: Some(0),
                stage: Stage::Forward,
                micro_batch: 0,
                overflow: 2,
                largest: Some(131_008.0),
                limit: Some(65_504.0),
            }),
        }
    }

    fn shown(steps: Vec<Explanation>, left_out: Vec<u64>) -> String {
        let explained = Explained {
            run: "runs/a".to_owned(),
            steps,
            left_out,
        };
        text(&explained, 8)
    }

    #[test]
    fn the_step_its_drivers_and_its_parts_are_told() {
        let text = shown(vec![told()], vec![130, 140]);
        for expected in [
            "step 122: loss 8.4412, gradient norm 2.00, clipped by 0.5000 (limit 1)",
            "2 values beyond 65504, the largest 1.31e5, 2.00 times as much",
            "the embedding, 75.0 % (without: clipped by 0.7500); token 27",
            "a.txt:512",
            "left out: 2 more steps with an alarm or a spike (130, 140)",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
    }

    /// Texts that models train on hold anything.
    #[test]
    fn no_text_reaches_the_terminal_as_it_is() {
        let text = shown(vec![told()], Vec::new());
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
        assert!(
            text.contains("`\\u001b[2J`") && text.contains("one two\\u202e"),
            "{text}"
        );
    }

    #[test]
    fn a_calm_run_is_told_what_to_ask_for() {
        assert!(shown(Vec::new(), Vec::new()).contains("workbench explain runs/a --at STEP"));
    }

    #[test]
    fn numbers_have_three_digits() {
        let cases = [
            (0.000_123_4, "1.23e-4"),
            (0.5, "0.5000"),
            (12.345, "12.3"),
            (4321.0, "4,321"),
            (131_008.0, "1.31e5"),
            (f64::NAN, "not finite"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
    }
}
