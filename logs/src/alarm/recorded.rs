//! Alarms in `events.jsonl`, and where the alarms of a run are to be found.
//!
//! A run that watches itself while it trains says so in the first event of every attempt: `data.detectors` names its
//! detectors. Its alarms are then those in its events, and nobody computes them again. Of all other runs (imported
//! ones, probes, those of earlier programs) they are computed from the records.

use serde_json::{Map, Value};

use super::Alarm;
use super::sighting::{News, Sighting, join};
use crate::run::{Event, EventKind};

/// Where the first event of an attempt names its detectors.
const DETECTORS: &str = "detectors";

/// Where an alarm has what the rules behind the first one saw in the same step.
const OTHERS: &str = "others";

/// The first event of an attempt that is watched by the detectors of these names.
#[must_use]
pub fn watched_by(event: Event, detectors: &[&str]) -> Event {
    event.with(DETECTORS, detectors.to_vec())
}

impl News {
    /// The event that tells it: the alarm's numbers in `data`, with the `rules` and the step `since` which it lasts.
    #[must_use]
    pub fn event(&self) -> Event {
        let alarm = &self.alarm;
        let mut event = Event::now(alarm.step, EventKind::Alarm, alarm.message.clone());
        event.data = numbers(alarm);
        event.data.remove("rule");
        let event = event
            .with("rules", self.rules.clone())
            .with("since", self.since);
        if self.others.is_empty() {
            return event;
        }
        let others = self
            .others
            .iter()
            .map(|other| Value::Object(numbers(other)));
        event.with(OTHERS, others.collect::<Vec<_>>())
    }

    /// What an event tells; none where it is no alarm, or none that this program writes.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        if event.kind != EventKind::Alarm {
            return None;
        }
        let rules: Vec<String> = serde_json::from_value(event.data.get("rules")?.clone()).ok()?;
        let alarm = |mut numbers: Map<String, Value>| {
            numbers.insert("step".to_owned(), event.step.into());
            numbers.insert("message".to_owned(), event.message.clone().into());
            serde_json::from_value::<Alarm>(numbers.into()).ok()
        };
        let mut first = event.data.clone();
        first.insert("rule".to_owned(), rules.first()?.clone().into());
        let since = event.data.get("since")?.as_u64()?;
        let others = event.data.get(OTHERS).and_then(Value::as_array);
        let others = others.into_iter().flatten();
        Some(Self {
            since,
            alarm: alarm(first)?,
            rules,
            others: others
                .filter_map(|other| alarm(other.as_object()?.clone()))
                .collect(),
        })
    }
}

/// An alarm without what its event says already.
fn numbers(alarm: &Alarm) -> Map<String, Value> {
    // Plain numbers and text always serialise.
    let Ok(Value::Object(mut numbers)) = serde_json::to_value(alarm) else {
        return Map::new();
    };
    for said_already in ["step", "message"] {
        numbers.remove(said_already);
    }
    numbers
}

/// The rows that a run told of while it trained; none of a run that did not watch itself from its beginning.
#[must_use]
pub fn recorded(events: &[Event]) -> Option<Vec<Sighting>> {
    let start = events.iter().find(|event| event.kind == EventKind::Start)?;
    start.data.get(DETECTORS)?;
    let mut news: Vec<News> = events.iter().filter_map(News::of).collect();
    // An attempt that was killed may have been ahead of the next one.
    news.sort_by_key(|news| news.alarm.step);
    Some(join(news))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{AlarmKind, Rows};

    fn alarm(step: u64, value: f64, rule: &str) -> Alarm {
        Alarm {
            step,
            kind: AlarmKind::Spike,
            signal: "loss".to_owned(),
            rule: rule.to_owned(),
            value,
            before: Some(3.0),
            score: 8.0,
            message: "loss is high".to_owned(),
        }
    }

    fn start() -> Event {
        Event::now(0, EventKind::Start, "training starts")
    }

    /// Through the line of the file, also what JSON has no number for.
    #[test]
    fn news_reads_back_from_its_event() {
        let nan = Alarm::non_finite(7, "loss", f64::NEG_INFINITY, Some(6.5));
        for alarm in [alarm(7, 9.5, "a"), nan] {
            let news = Rows::default().take(&[alarm]).remove(0);
            let line = news.event().to_line(3, 1).unwrap();
            let (event, _) = Event::parse_bytes(line.as_bytes()).unwrap();
            assert_eq!(News::of(&event).as_ref(), Some(&news));
            assert_eq!(event.data["rules"][0], news.alarm.rule);
        }
        let two = [alarm(7, 9.5, "a"), alarm(7, 9.5, "b")];
        let news = Rows::default().take(&two).remove(0);
        let line = news.event().to_line(3, 1).unwrap();
        let (event, _) = Event::parse_bytes(line.as_bytes()).unwrap();
        let read = News::of(&event).unwrap();
        assert_eq!((read.rules.len(), read.others.len()), (2, 1));
        assert_eq!(read.others[0].rule, "b");
        assert_eq!(read.others[0].score, news.others[0].score);
        let mut earlier = event.clone();
        earlier.data.remove(OTHERS);
        assert_eq!(
            News::of(&earlier).unwrap().others,
            [],
            "of a program before"
        );
        let foreign = Event::now(7, EventKind::Alarm, "of another program").with("rules", vec![1]);
        assert_eq!(News::of(&foreign), None);
        assert_eq!(News::of(&start()), None);
    }

    #[test]
    fn a_run_that_watched_itself_has_the_rows_it_told_of() {
        let mut rows = Rows::default();
        let mut events = vec![watched_by(start(), &["a", "b"])];
        assert_eq!(recorded(&events), Some(Vec::new()), "calm is known as well");
        for raised in [alarm(7, 9.0, "a"), alarm(9, 9.5, "b"), alarm(30, 9.0, "a")] {
            events.extend(rows.take(&[raised]).iter().map(News::event));
        }
        let found = recorded(&events).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|row| (row.alarm.step, row.rules.len()))
            .collect();
        assert_eq!(told, [(7, 2), (30, 1)]);
    }

    /// A run that an earlier program began and this one continued: its first alarms were never told.
    #[test]
    fn a_run_that_began_unwatched_has_none() {
        let resumed = Event::now(5, EventKind::Resume, "continued");
        let events = [start(), watched_by(resumed, &["a"])];
        assert_eq!(recorded(&events), None);
        assert_eq!(recorded(&[]), None);
    }
}
