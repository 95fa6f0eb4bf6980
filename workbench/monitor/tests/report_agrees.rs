//! The monitor and the report show the same counts, doses, medians and differences of the same runs, whatever the card's shape.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic where it finds what it did not expect"
)]

use std::path::Path;

use sweeps::Sweep;
use sweeps::card::{Arm, number};
use workbench_monitor::{Options, Tab};

#[path = "../../report/tests/report/synthetic.rs"]
#[expect(dead_code, reason = "shared with the tests of the report")]
mod synthetic;

use synthetic::{Fate, Shape};

type Rows = Vec<Vec<String>>;
type View = (
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static [usize],
);

/// A card of these axes, and what follows.
fn card(kind: &str, axes: &str, rest: &str) -> String {
    format!(
        r#"
name = "shapes"
title = "Made up"
hypothesis = "Both count alike."
kind = "{kind}"
base = "t0"
seeds = 4
[fixed]
steps = 60
{axes}
{rest}
[metric]
name = "held_out_loss"
"#
    )
}

const RATES: &str = r#""optimizer.lr" = [1e-3, 3e-3, 1e-2, 3e-2]"#;
const NORMS: &str = r#""model.norm" = ["post", "pre"]"#;
const HEADS: &str = r#""model.num_heads" = [4, 2, 1]"#;

fn criterion(event: &str) -> String {
    format!(
        r#"
[criterion]
test = "fisher"
treatment = {{ "model.norm" = "post", "optimizer.lr" = 3e-2 }}
control = {{ "model.norm" = "pre", "optimizer.lr" = 3e-2 }}
event = {event}
direction = "treatment_more"
alpha = 0.05
"#
    )
}

/// Higher rates and fewer heads fail more: some runs are lost, some stuck, some never begun.
fn run(arm: &Arm, seed: u64) -> (Fate, Shape) {
    let of = |key: &str, otherwise: f64| {
        let value = arm.settings.get(key).and_then(number);
        value.unwrap_or(otherwise)
    };
    let words: u64 = arm.label.bytes().map(u64::from).sum();
    let over = of("optimizer.lr", 1e-2).log10() + 2.2 - 0.3 * of("model.num_heads", 2.0).log2();
    let wobble = ((words * 31 + seed * 17) % 10) as f64 / 10.0 - 0.5;
    let fate = match (words * 7 + seed * 3) % 11 {
        0 => Fate::Never,
        1 => Fate::Fail(20),
        2 | 3 if over > 0.0 => Fate::Nan(15),
        _ => Fate::Finish,
    };
    let level = if over + wobble > 0.2 {
        3.56
    } else {
        3.1 + 0.02 * wobble + 0.1 * over * over
    };
    let shape = Shape {
        level,
        share: 0.1,
        norm: 1.0,
        skips: false,
    };
    (fate, shape)
}

/// The table of a tab, without its heading; empty where it says that it has none.
fn of_monitor(dir: &Path, tab: &str, command: Option<&str>) -> Rows {
    let file = dir.join("view.csv");
    let export = format!("export {}", file.display());
    let commands = command.map(str::to_owned).into_iter().chain([export]);
    let commands: Vec<String> = commands.collect();
    let options = Options {
        tab: Tab::named(tab).unwrap(),
        commands: &commands,
        ..Options::default()
    };
    if let Err(refused) = workbench_monitor::snapshot(dir, options, (120, 40)) {
        let problem = refused.to_string();
        assert!(problem.contains("has nothing for a table now"), "{problem}");
        return Rows::new();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    // What the next tab refuses is not to be read here.
    std::fs::remove_file(file).unwrap();
    rows(&written)
}

/// The data behind a figure of the page, without its heading; none where there is no such figure.
fn of_report(page: &str, figure: &str) -> Option<Rows> {
    let (_, behind) = page.split_once(&format!("download=\"{figure}.csv\" href=\""))?;
    let (address, _) = behind.split_once('"').unwrap();
    let (_, coded) = address.split_once("utf-8,").unwrap();
    let mut bytes = Vec::new();
    let mut rest = coded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap().to_owned();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    Some(rows(&String::from_utf8(bytes).unwrap()))
}

fn rows(csv: &str) -> Rows {
    let lines = csv.lines().skip(1);
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    lines.map(cells).collect()
}

/// Some columns of a table, in any order of its rows. What is one value alone is called differently.
fn columns(rows: &[Vec<String>], of: &[usize]) -> Rows {
    let cell = |row: &Vec<String>, column: &usize| match &*row[*column] {
        "all" | "all arms" => String::new(),
        value => value.to_owned(),
    };
    let mut table: Rows = rows
        .iter()
        .map(|row| of.iter().map(|column| cell(row, column)).collect())
        .collect();
    table.sort();
    table
}

/// What both show of a sweep: rows of outcomes, doses, medians and differences.
fn compared(text: &str, fate: impl Fn(&Arm, u64) -> (Fate, Shape)) -> [usize; 4] {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("sweep");
    synthetic::sweep_of(&dir, text, fate);
    let written = workbench_report::write(&dir).unwrap();
    let page = std::fs::read_to_string(written.html).unwrap();
    // Tab, command, figure, and the columns that must agree.
    let views: [View; 4] = [
        ("outcomes", None, "outcomes", &[0, 1, 2, 3, 4]),
        ("dose", None, "dose", &[1, 2, 3, 4, 5]),
        ("dose", Some("measure metric"), "sensitivity", &[1, 2]),
        (
            "outcomes",
            Some("pairs on"),
            "paired-differences",
            &[0, 1, 2, 3, 4],
        ),
    ];
    views.map(|(tab, command, figure, of)| {
        let monitor = of_monitor(&dir, tab, command);
        if let Some(report) = of_report(&page, figure) {
            let (monitor, report) = (columns(&monitor, of), columns(&report, of));
            assert_eq!(monitor, report, "{figure} of\n{text}");
            return report.len();
        }
        // The report leaves a single arm to its table of arms.
        let counted = arms(&dir);
        let known = monitor
            .iter()
            .any(|row| row.get(4).is_some_and(|n| n != "0"));
        if figure != "outcomes" {
            assert_eq!(monitor, Rows::new(), "{figure} of\n{text}");
        } else if known {
            assert_eq!(columns(&monitor, &[0, 3, 4]), columns(&counted, &[0, 1, 2]));
        }
        0
    })
}

/// The counts of the report's table of arms.
fn arms(dir: &Path) -> Rows {
    let verdict = Sweep::open(dir).unwrap().verdict().unwrap();
    let row = |arm: sweeps::verdict::ArmResult| {
        let numbers = [arm.events.events, arm.events.n];
        [
            vec![arm.arm],
            numbers.map(|number| number.to_string()).into(),
        ]
        .concat()
    };
    verdict.arms.into_iter().map(row).collect()
}

fn axes(axes: &[&str]) -> String {
    format!("[axes]\n{}\n", axes.join("\n"))
}

#[test]
fn two_axes_and_the_usual_event() {
    let shown = compared(&card("exploration", &axes(&[NORMS, RATES]), ""), run);
    assert_eq!(shown[0], 8);
    assert!(shown.iter().all(|rows| *rows > 0), "{shown:?}");
}

/// Runs that were lost are failures, and no event of a card that counts stuck ones.
#[test]
fn an_event_of_the_cards_own() {
    let grid = axes(&[NORMS, RATES]);
    let compare = |event| compared(&card("mechanism", &grid, &criterion(event)), run);
    for event in [r#"["stuck"]"#, r#"["spiked"]"#, r#"["ok", "recovered"]"#] {
        let shown = compare(event);
        assert_eq!(shown[0], 8, "{event}");
    }
}

#[test]
fn one_axis_of_words_or_of_numbers() {
    let shown = compared(&card("exploration", &axes(&[NORMS]), ""), run);
    assert_eq!((shown[0], shown[1]), (2, 0));
    let shown = compared(&card("exploration", &axes(&[RATES]), ""), run);
    assert_eq!((shown[0], shown[1]), (4, 4));
}

/// Neither pools what a third axis tells apart.
#[test]
fn three_axes_are_tables_side_by_side() {
    let shown = compared(&card("exploration", &axes(&[NORMS, HEADS, RATES]), ""), run);
    assert_eq!((shown[0], shown[1]), (24, 24));
}

/// The axis of the figure comes before the learning rate.
#[test]
fn the_axis_that_the_card_names_is_the_dose() {
    let figure = "[figure]\nalong = \"model.num_heads\"\n";
    let shown = compared(&card("exploration", &axes(&[HEADS, RATES]), figure), run);
    assert_eq!((shown[0], shown[1]), (12, 12));
}

#[test]
fn arms_without_an_axis_and_runs_that_never_began() {
    let alone = axes(&[r#""model.norm" = ["post"]"#]);
    let shown = compared(&card("exploration", &alone, ""), run);
    assert_eq!(shown, [0; 4]);
    let never = |arm: &Arm, seed: u64| (Fate::Never, run(arm, seed).1);
    let shown = compared(&card("exploration", &axes(&[NORMS, RATES]), ""), never);
    assert_eq!(shown, [0; 4]);
}
