//! What the templates see: finished words, in the order of the page. No number is computed and
//! no decision taken in a template.

use crate::plot::Figure;
use serde::Serialize;

/// The whole report.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Version of the program that writes the report.
    pub(crate) program_version: String,
    /// One line above the title: what kind of report of what.
    pub(crate) over: String,
    pub(crate) title: String,
    pub(crate) verdict: Verdict,
    /// What a reader must know before believing the rest.
    pub(crate) warnings: Vec<String>,
    pub(crate) hypothesis: Option<String>,
    /// None where the card names no source.
    pub(crate) claim: Option<Claim>,
    /// What was measured, beside it: one line per arm.
    pub(crate) measured: Vec<String>,
    /// When it was made, what it cost, what it drew.
    pub(crate) cost: Vec<Fact>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) figures_note: String,
    pub(crate) by_axis: ByAxis,
    /// Spikes of all runs, the highest first.
    pub(crate) spikes: Vec<SpikeRow>,
    pub(crate) spikes_note: String,
    /// Columns of [`Arm::outcomes`].
    pub(crate) outcome_names: Vec<String>,
    /// What the card counts, for the head of a column.
    pub(crate) event_name: String,
    pub(crate) arms: Vec<Arm>,
    pub(crate) arms_note: String,
    /// The trained runs with the lowest final losses, the lowest first; empty where few runs have one.
    pub(crate) best: Vec<BestRow>,
    pub(crate) statistics: Vec<Statistic>,
    /// What so few runs cannot show.
    pub(crate) limits: Vec<String>,
    pub(crate) runs: Vec<Run>,
    pub(crate) branches: Vec<Branches>,
    /// The outcome rules in words.
    pub(crate) rules: Vec<Fact>,
    /// The command that makes the same sweep or run again.
    pub(crate) command: Option<String>,
    pub(crate) provenance: Vec<Fact>,
    /// The card as the user wrote it.
    pub(crate) card_text: Option<String>,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// CSS class: `reproduced`, `not-reproduced`, `inconclusive`, `exploration`, or empty.
    pub(crate) class: String,
    /// The answer in one or two words.
    pub(crate) word: String,
    pub(crate) sentence: String,
    /// The numbers behind it, few.
    pub(crate) facts: Vec<String>,
}

/// What the source of a card claims.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    /// Empty where it is not named.
    pub(crate) paper: String,
    /// The paper and the place in it, as far as they are named.
    pub(crate) reference: String,
    /// What it says.
    pub(crate) text: String,
    /// Figures it gives.
    pub(crate) numbers: Vec<Fact>,
}

/// A named value; `code` where it is to be read letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) code: bool,
}

impl Fact {
    /// A fact in words.
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            code: false,
        }
    }

    /// A hash, path or other text in which every letter counts.
    pub(crate) fn code(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            code: true,
            ..Self::new(name, value)
        }
    }
}

/// What the runs show along the axes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ByAxis {
    pub(crate) figures: Vec<Figure>,
    /// The axis of numbers; empty without one.
    pub(crate) along: String,
    pub(crate) rows: Vec<AlongRow>,
    pub(crate) note: String,
}

/// One curve along the axis of numbers.
#[derive(Debug, Serialize)]
pub(crate) struct AlongRow {
    pub(crate) name: String,
    /// Where half of the runs show what the card counts.
    pub(crate) half: String,
    pub(crate) interval: String,
    /// Whether only two values are known between which it lies.
    pub(crate) separated: bool,
    pub(crate) sensitivity: String,
}

/// One spike of a loss.
#[derive(Debug, Serialize)]
pub(crate) struct SpikeRow {
    pub(crate) run: String,
    /// Number of the run in the list of runs, from 1.
    pub(crate) place: usize,
    pub(crate) arm: usize,
    pub(crate) step: u64,
    /// Nats over the level before.
    pub(crate) height: String,
    /// Steps.
    pub(crate) duration: u64,
    /// The layer whose gradient grew first, and how many times; empty where none did.
    pub(crate) owner: String,
    pub(crate) end: &'static str,
}

/// One of the best runs.
#[derive(Debug, Serialize)]
pub(crate) struct BestRow {
    pub(crate) run: String,
    /// Number of the run in the list of runs, from 1.
    pub(crate) place: usize,
    pub(crate) arm: String,
    /// Number of its arm, and the name of its colour.
    pub(crate) number: usize,
    pub(crate) colour: String,
    pub(crate) seed: u64,
    pub(crate) loss: String,
    /// Nats over the best.
    pub(crate) behind: String,
    pub(crate) outcome: String,
}

/// One row of the table of arms.
#[derive(Debug, Serialize)]
pub(crate) struct Arm {
    pub(crate) name: String,
    /// What sets it apart from the others, and its number, for the switches.
    pub(crate) brief: String,
    pub(crate) number: usize,
    /// Name of its colour.
    pub(crate) colour: String,
    pub(crate) role: String,
    pub(crate) n: usize,
    pub(crate) outcomes: Vec<u64>,
    /// Number of runs whose loss spiked.
    pub(crate) spiked: String,
    /// Runs with the event that the card counts, with their interval.
    pub(crate) events: String,
    pub(crate) mean: String,
    pub(crate) sd: String,
    pub(crate) interval: String,
}

/// One row of the statistics.
#[derive(Debug, Serialize)]
pub(crate) struct Statistic {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Method and source.
    pub(crate) note: String,
}

/// One run, in the table and folded out.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) arm: String,
    /// Number of its arm, and the name of its colour.
    pub(crate) number: usize,
    pub(crate) colour: String,
    pub(crate) seed: String,
    pub(crate) role: String,
    /// Outcome, or the state of a run that has none.
    pub(crate) outcome: String,
    /// CSS class: `trained`, `event`, `failed` or `open`.
    pub(crate) class: &'static str,
    pub(crate) held_out_loss: String,
    /// Number of spikes of the loss, and the highest.
    pub(crate) spikes: String,
    pub(crate) steps: String,
    pub(crate) reason: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) events: Vec<Event>,
    pub(crate) events_left_out: Option<String>,
}

/// One event of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) step: u64,
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// A replay with its twins, or a run with its forks.
#[derive(Debug, Serialize)]
pub(crate) struct Branches {
    pub(crate) title: String,
    /// What a replay says; empty of forks.
    pub(crate) sentence: String,
    /// What to know to read the table.
    pub(crate) note: String,
    /// Of the table; from the third to the fifth they are numbers.
    pub(crate) columns: [&'static str; 6],
    pub(crate) rows: Vec<[String; 6]>,
    /// Twins that took not all their steps, a sentence each.
    pub(crate) absent: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

/// The page over all cards.
#[derive(Debug, Default, Serialize)]
pub(crate) struct CardsPage {
    pub(crate) program_version: String,
    pub(crate) counts: Vec<Fact>,
    pub(crate) cost: String,
    /// The verdicts of the cards, each once, for the switches.
    pub(crate) verdicts: Vec<Badge>,
    pub(crate) cards: Vec<CardView>,
    /// What a proxy cannot show.
    pub(crate) limits: Vec<String>,
}

/// A verdict as the page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Badge {
    /// CSS class.
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
}

/// One card on that page.
#[derive(Debug, Default, Serialize)]
pub(crate) struct CardView {
    /// Its place in the page.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) kind: &'static str,
    /// CSS class of the verdict.
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) sentence: String,
    pub(crate) hypothesis: String,
    /// None where the card names no source.
    pub(crate) claim: Option<Claim>,
    /// One line per arm shown.
    pub(crate) measured: Vec<String>,
    /// What is measured.
    pub(crate) metric: String,
    /// How many criteria hold.
    pub(crate) hold: String,
    pub(crate) findings: Vec<FindingView>,
    pub(crate) untested: String,
    pub(crate) notes: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) figure: Option<Figure>,
    pub(crate) facts: Vec<Fact>,
    /// The command that makes the runs again.
    pub(crate) rerun: String,
}

/// What one criterion found.
#[derive(Debug, Serialize)]
pub(crate) struct FindingView {
    pub(crate) name: String,
    pub(crate) claim: Option<String>,
    pub(crate) role: &'static str,
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) test: String,
    pub(crate) p: String,
    pub(crate) sentence: String,
}
