//! What happened in a run that deserves an explanation, and which shape it has.

use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmKind, detector};
use crate::record::Record;
use crate::spike::{Definition, Spike, SpikeState, spikes};

/// Steps that part two incidents: the gap of [`Definition::LOSS`].
pub(super) const GAP: u64 = Definition::LOSS.gap as u64;
/// Values whose median says whether a signal is back at its level.
const BACK: usize = 16;
/// Records up to which a log counts as one from the beginning of training.
const BEGINNING: u64 = 10;
/// Share of the run's first loss from which on a loss is that of an untrained model.
const UNTRAINED: f64 = 0.9;

/// The course of an incident. The first that holds is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The loss is not finite.
    NonFinite,
    /// Another signal than the loss, which has no spike there or too few values for one: the loss scale falls, or the gradient norm has a spike.
    Silent,
    /// One step above the level, and the next one is back.
    OneStep,
    /// One recorded value above the level; the steps around it were not recorded.
    OneValue,
    /// Above the level for more than a value, and back within 100.
    Spike,
    /// Above the level for 100 values and more, as high as at the beginning of the run.
    Collapse,
    /// Above the level for 100 values and more.
    Shift,
    /// Above the level for 8 values and more when the log ends.
    Divergence,
    /// The log ends in it, too soon to say more.
    Unfinished,
}

impl Shape {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NonFinite => "a loss that is not finite",
            Self::Silent => "an alarm in another signal than the loss",
            Self::OneStep => "an excursion of one step",
            Self::OneValue => "an excursion of one recorded value",
            Self::Spike => "a spike that recovered",
            Self::Collapse => "a collapse",
            Self::Shift => "a level shift",
            Self::Divergence => "a divergence",
            Self::Unfinished => "a spike in which the log ends",
        }
    }
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Incident {
    /// The signal in which it is seen.
    pub signal: String,
    /// Its course.
    pub shape: Shape,
    /// Its first step.
    pub first: u64,
    /// The step farthest from the level.
    pub peak: u64,
    /// Its last step; of a level shift the step at which it counts as one.
    pub last: u64,
    /// The value at the peak; none where it is not finite.
    pub value: Option<f64>,
    /// The level before it; none where the run had none yet.
    pub level: Option<f64>,
    /// Of a level shift and a loss that is not finite: the step from which on the loss is at its old level again.
    pub back: Option<u64>,
}

impl Incident {
    /// Value less level at the peak, in the signal's unit.
    #[must_use]
    pub fn height(&self) -> Option<f64> {
        Some(self.value? - self.level?)
    }

    fn of_spike(records: &[Record], spike: &Spike) -> Self {
        let mut incident = Self {
            signal: "loss".to_owned(),
            shape: Shape::Spike,
            first: spike.first,
            peak: spike.peak,
            last: spike.last,
            value: Some(spike.value),
            level: Some(spike.level),
            back: None,
        };
        incident.shape = shape(records, spike);
        if matches!(
            incident.shape,
            Shape::Shift | Shape::Collapse | Shape::NonFinite
        ) {
            let scale = spike.height() / spike.deviations;
            let line = spike.level + Definition::LOSS.exit * scale;
            incident.back = back(records, spike.last, line);
        }
        incident
    }
}

/// What happened in a run, in the order of the steps: spikes of its loss, losses that are not finite, and, where the loss is
/// calm, falls of the loss scale and spikes of the gradient norm.
#[must_use]
pub fn incidents(records: &[Record]) -> Vec<Incident> {
    let spikes = spikes(records, "loss");
    let mut found: Vec<Incident> = spikes
        .iter()
        .map(|spike| Incident::of_spike(records, spike))
        .collect();
    for incident in non_finite(records) {
        if !is_near(&found, incident.first) {
            found.push(incident);
        }
    }
    for incident in silent(records) {
        if !is_near(&found, incident.first) {
            found.push(incident);
        }
    }
    found.sort_by_key(|incident| incident.first);
    found
}

/// Whether a step lies in one of the incidents or at most [`GAP`] steps from it.
fn is_near(found: &[Incident], step: u64) -> bool {
    let holds = |incident: &Incident| {
        step.saturating_add(GAP) >= incident.first && step <= incident.last.saturating_add(GAP)
    };
    found.iter().any(holds)
}

fn shape(records: &[Record], spike: &Spike) -> Shape {
    if spike.non_finite > 0 {
        return Shape::NonFinite;
    }
    let at = |step| records.partition_point(|record| record.step < step);
    let (first, last) = (at(spike.first), at(spike.last));
    match spike.state {
        SpikeState::Recovered if first == last && is_dense(records, first) => Shape::OneStep,
        SpikeState::Recovered if first == last => Shape::OneValue,
        SpikeState::Recovered => Shape::Spike,
        SpikeState::NewLevel if is_untrained(records, spike.value) => Shape::Collapse,
        SpikeState::NewLevel => Shape::Shift,
        SpikeState::Open if last + 1 == records.len() && last - first + 1 >= GAP as usize => {
            Shape::Divergence
        }
        SpikeState::Open => Shape::Unfinished,
    }
}

/// Whether the steps before and after a record were recorded.
fn is_dense(records: &[Record], at: usize) -> bool {
    let around = records.get(at.saturating_sub(1)..at + 2);
    around.is_some_and(|around| around.windows(2).all(|two| two[1].step - two[0].step == 1))
}

/// Whether a loss is as high as at the beginning of the run, where that was recorded.
fn is_untrained(records: &[Record], loss: f64) -> bool {
    let begun = records
        .iter()
        .take_while(|record| record.step <= BEGINNING)
        .filter_map(|record| record.scalar("loss"))
        .find(|loss| loss.is_finite());
    begun.is_some_and(|begun| loss >= UNTRAINED * begun)
}

/// The first step behind `after` with a loss at or below `line`, of those from which on most losses are.
fn back(records: &[Record], after: u64, line: f64) -> Option<u64> {
    let behind = &records[records.partition_point(|record| record.step <= after)..];
    let losses: Vec<(u64, f64)> = behind
        .iter()
        .filter_map(|record| Some((record.step, record.scalar("loss")?)))
        .collect();
    let low = |window: &&[(u64, f64)]| {
        let count = window.iter().filter(|(_, loss)| *loss <= line).count();
        2 * count > BACK
    };
    let window = losses.windows(BACK).find(low)?;
    let first = window.iter().find(|(_, loss)| *loss <= line);
    first.map(|(step, _)| *step)
}

/// Stretches of losses that are not finite.
fn non_finite(records: &[Record]) -> Vec<Incident> {
    let mut found: Vec<Incident> = Vec::new();
    let mut before = None;
    for record in records {
        let Some(loss) = record.scalar("loss") else {
            continue;
        };
        let step = record.step;
        if loss.is_finite() {
            if let Some(last) = found.last_mut() {
                last.back = last.back.or(Some(step));
            }
            before = Some(loss);
            continue;
        }
        match found
            .last_mut()
            .filter(|last| step <= last.last.saturating_add(GAP))
        {
            Some(last) => (last.last, last.back) = (step, None),
            None => found.push(Incident {
                signal: "loss".to_owned(),
                shape: Shape::NonFinite,
                first: step,
                peak: step,
                last: step,
                value: None,
                level: before,
                back: None,
            }),
        }
    }
    found
}

/// What other signals show by themselves.
fn silent(records: &[Record]) -> Vec<Incident> {
    let mut found: Vec<Incident> = Vec::new();
    for rule in ["loss-scale", "robust-gradient"] {
        let Some(mut detector) = detector(rule) else {
            continue;
        };
        let mut raised = Vec::new();
        for record in records {
            detector.observe(record, &mut raised);
        }
        raised.retain(|alarm| alarm.kind != AlarmKind::NonFinite);
        for alarm in raised {
            if is_near(&found, alarm.step) {
                continue;
            }
            found.push(Incident {
                signal: alarm.signal,
                shape: Shape::Silent,
                first: alarm.step,
                peak: alarm.step,
                last: alarm.step,
                value: Some(alarm.value),
                level: alarm.before,
                back: None,
            });
        }
    }
    found
}
