//! Alarms of several rules about one thing, as one row.

use serde::{Deserialize, Serialize};

use super::{Alarm, AlarmKind};

/// Steps between two alarms that are about the same thing: the gap of [`crate::spike::Definition`].
const SAME: u64 = 8;

/// What one or several rules saw in one signal: a row in monitor and report.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The first alarm, of the rule that saw it first.
    pub alarm: Alarm,
    /// The rules that saw it, the first one first.
    pub rules: Vec<String>,
    /// The first alarm of each of these rules, as far as it is known: programs before told that of some alone.
    pub seen: Vec<Alarm>,
}

/// What one step adds to the rows: a new row, or further rules that see what an open one is about.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The step at which the row began.
    pub since: u64,
    /// The first alarm that this step adds to it.
    pub alarm: Alarm,
    /// The rules that see it for the first time.
    pub rules: Vec<String>,
    /// The alarms of these rules behind the first one.
    pub others: Vec<Alarm>,
}

impl News {
    /// Whether a row begins with it.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.since == self.alarm.step
    }
}

/// What a row is about: a signal, of whatever layer. Values that are not finite stay apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Subject {
    signal: String,
    non_finite: bool,
}

impl Subject {
    fn of(alarm: &Alarm) -> Self {
        let signal = alarm.signal.split('[').next().unwrap_or_default();
        Self {
            signal: signal.to_owned(),
            non_finite: alarm.kind == AlarmKind::NonFinite,
        }
    }
}

/// The latest row of a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    subject: Subject,
    /// Step of its first alarm.
    since: u64,
    /// Step of its last one.
    last: u64,
    rules: Vec<String>,
}

/// Puts alarms together as they come: those about the same signal with at most 8 steps from one alarm to the next are
/// one row. Its serialised form is its whole state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows(Vec<Row>);

impl Rows {
    /// Takes the alarms of one step. A rule that has seen the same before says nothing new.
    pub fn take(&mut self, raised: &[Alarm]) -> Vec<News> {
        let mut news: Vec<(usize, News)> = Vec::new();
        for alarm in raised {
            let at = self.row(alarm);
            let row = &mut self.0[at];
            row.last = alarm.step;
            if row.rules.contains(&alarm.rule) {
                continue;
            }
            row.rules.push(alarm.rule.clone());
            match news.iter_mut().find(|(of, _)| *of == at) {
                Some((_, same)) => {
                    same.rules.push(alarm.rule.clone());
                    same.others.push(alarm.clone());
                }
                None => news.push((
                    at,
                    News {
                        since: row.since,
                        alarm: alarm.clone(),
                        rules: vec![alarm.rule.clone()],
                        others: Vec::new(),
                    },
                )),
            }
        }
        news.into_iter().map(|(_, news)| news).collect()
    }

    /// The row that an alarm belongs to, begun where there is none.
    fn row(&mut self, alarm: &Alarm) -> usize {
        let subject = Subject::of(alarm);
        let begun = |subject| Row {
            subject,
            since: alarm.step,
            last: alarm.step,
            rules: Vec::new(),
        };
        let Some(at) = self.0.iter().position(|row| row.subject == subject) else {
            self.0.push(begun(subject));
            return self.0.len() - 1;
        };
        if alarm.step.saturating_sub(self.0[at].last) > SAME {
            self.0[at] = begun(subject);
        }
        at
    }
}

/// The rows of alarms that are in the order of their steps; in the order of the rows' first steps.
#[must_use]
pub fn sightings(alarms: &[Alarm]) -> Vec<Sighting> {
    let mut rows = Rows::default();
    let steps = alarms.chunk_by(|a, b| a.step == b.step);
    join(steps.flat_map(|raised| rows.take(raised)))
}

/// The rows that news in the order of their steps add up to. News whose row was lost are a row.
pub(super) fn join(news: impl IntoIterator<Item = News>) -> Vec<Sighting> {
    let mut found: Vec<Sighting> = Vec::new();
    for news in news {
        let subject = Subject::of(&news.alarm);
        let is_same = |row: &&mut Sighting| {
            row.alarm.step == news.since && Subject::of(&row.alarm) == subject
        };
        match found.iter_mut().rev().find(is_same) {
            Some(row) => {
                let new = news.rules.iter().filter(|rule| !row.rules.contains(rule));
                let new: Vec<String> = new.cloned().collect();
                let alarms = std::iter::once(news.alarm).chain(news.others);
                row.seen
                    .extend(alarms.filter(|alarm| new.contains(&alarm.rule)));
                row.rules.extend(new);
            }
            None => found.push(Sighting {
                seen: std::iter::once(news.alarm.clone())
                    .chain(news.others)
                    .collect(),
                alarm: news.alarm,
                rules: news.rules,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(step: u64, signal: &str, rule: &str) -> Alarm {
        Alarm {
            step,
            kind: AlarmKind::Spike,
            signal: signal.to_owned(),
            rule: rule.to_owned(),
            value: 9.0,
            before: Some(3.0),
            score: 8.0,
            message: String::new(),
        }
    }

    #[test]
    fn a_row_goes_on_over_eight_steps_and_tells_each_rule_once() {
        let mut rows = Rows::default();
        let first = rows.take(&[alarm(10, "loss", "a"), alarm(10, "loss", "b")]);
        assert_eq!(first.len(), 1);
        assert!(first[0].begins());
        assert_eq!(first[0].rules, ["a", "b"]);
        assert_eq!(rows.take(&[alarm(18, "loss", "a")]), []);
        let late = rows.take(&[alarm(26, "loss", "c"), alarm(26, "grad_norm", "c")]);
        assert_eq!((late[0].since, late[1].since), (10, 26));
        assert!(!late[0].begins() && late[1].begins());
        let next = rows.take(&[alarm(35, "loss", "a")]);
        assert!(next[0].begins(), "nine steps later it is another one");
    }

    #[test]
    fn layers_of_a_signal_are_one_row_and_values_that_are_not_finite_another() {
        let mut rows = Rows::default();
        let nan = Alarm::non_finite(5, "loss", f64::NAN, None);
        let raised = [
            alarm(5, "layer_grad_norm[2]", "a"),
            alarm(5, "layer_grad_norm[0]", "b"),
            alarm(5, "loss", "a"),
            nan,
        ];
        let news = rows.take(&raised);
        let signals: Vec<_> = news.iter().map(|news| news.alarm.signal.as_str()).collect();
        assert_eq!(signals, ["layer_grad_norm[2]", "loss", "loss"]);
    }

    #[test]
    fn rows_continue_from_their_state() {
        let raised = |step| [alarm(step, "loss", if step < 20 { "a" } else { "b" })];
        let mut straight = Rows::default();
        let mut resumed = Rows::default();
        for step in [10, 17, 24, 40, 47] {
            let text = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&text).unwrap();
            assert_eq!(straight.take(&raised(step)), resumed.take(&raised(step)));
        }
        assert_eq!(straight, resumed);
    }

    /// What each rule saw stands in the row, also of those that saw it in the same step.
    #[test]
    fn a_row_has_the_first_alarm_of_each_rule() {
        let raised = [
            alarm(10, "loss", "a"),
            alarm(10, "loss", "b"),
            alarm(11, "loss", "a"),
            alarm(12, "loss", "c"),
        ];
        let found = sightings(&raised);
        assert_eq!(found.len(), 1);
        let seen: Vec<_> = found[0]
            .seen
            .iter()
            .map(|alarm| (alarm.step, alarm.rule.as_str()))
            .collect();
        assert_eq!(seen, [(10, "a"), (10, "b"), (12, "c")]);
    }

    /// Rows of a run that was killed: news may be lost, never a row.
    #[test]
    fn news_without_its_row_is_a_row() {
        let mut rows = Rows::default();
        rows.take(&[alarm(10, "loss", "a")]);
        let late = rows.take(&[alarm(12, "loss", "b")]);
        let found = join(late);
        assert_eq!((found[0].alarm.step, found[0].rules.len()), (12, 1));
    }
}
