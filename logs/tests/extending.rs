//! The example of `docs/extending.md`: a detector that is not in the registry, made and watched as those that are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use logs::Record;
use logs::alarm::{Alarm, AlarmKind, Detector, Entry, Threshold, Watch};
use serde::{Deserialize, Serialize};

/// Raises an alarm where the held-out loss is a factor above the lowest one that was measured.
#[derive(Debug, Serialize, Deserialize)]
struct HeldOutRise {
    rule: String,
    factor: f64,
    lowest: f64,
}

impl Detector for HeldOutRise {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        // Only steps with an evaluation have it, and what is not finite never enters a baseline.
        let held_out = record.scalar("held_out_loss");
        let Some(value) = held_out.filter(|loss| loss.is_finite()) else {
            return;
        };
        let score = value / self.lowest;
        if score >= self.factor {
            raised.push(Alarm {
                step: record.step,
                kind: AlarmKind::Jump,
                signal: "held_out_loss".to_owned(),
                rule: self.rule.clone(),
                value,
                before: Some(self.lowest),
                score,
                message: format!("held_out_loss is {score:.2} times its lowest"),
            });
        }
        self.lowest = self.lowest.min(value);
    }
}

const ENTRY: Entry = Entry {
    name: "held-out-rise",
    signals: &["held_out_loss"],
    thresholds: "1.1 times the lowest",
    threshold: Threshold::Factor(1.1),
    source: "the rule of early stopping",
    watched: true,
    make: |entry| {
        Box::new(HeldOutRise {
            rule: entry.name.to_owned(),
            factor: entry.threshold.number(),
            lowest: f64::INFINITY,
        })
    },
};

fn evaluation(step: u64, loss: f64) -> Record {
    let mut record = Record::new(step);
    record.set_named("held_out_loss", loss);
    record
}

#[test]
fn a_detector_is_watched_and_continues_from_its_state() {
    let mut watch = Watch::new([&ENTRY]);
    for (step, loss) in [(10, 4.0), (20, f64::NAN), (30, 3.0), (40, 3.2)] {
        assert_eq!(watch.observe(&evaluation(step, loss)), []);
    }
    let state = watch.state().unwrap();
    let mut continued = Watch::new([&ENTRY]);
    assert!(continued.restore(state).is_empty());
    for watch in [&mut watch, &mut continued] {
        let raised = watch.observe(&evaluation(50, 3.4));
        assert_eq!(raised.len(), 1);
        assert_eq!((raised[0].step, raised[0].before), (50, Some(3.0)));
    }
}
