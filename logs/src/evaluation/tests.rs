use super::*;
use crate::Record;
use crate::alarm::DETECTORS;
use crate::evaluation::label::{CALM, Excursion, HEIGHT, excursions};
use proptest::prelude::*;

fn record(step: u64, loss: f64) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", loss);
    record
}

fn run(losses: impl IntoIterator<Item = f64>) -> Vec<Record> {
    let numbered = (1..).zip(losses);
    numbered.map(|(step, loss)| record(step, loss)).collect()
}

/// A loss that falls as those of small models do, with noise of 0.1 nats.
fn falling(steps: u64) -> Vec<f64> {
    let noise = |step: u64| {
        let hash = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        0.2 * (hash as f64 / (1_u64 << 53) as f64 - 0.5)
    };
    let level = |step: u64| 5.0 + 2.5 * (-(step as f64) / 40.0).exp();
    (1..=steps).map(|step| level(step) + noise(step)).collect()
}

#[test]
fn a_falling_loss_is_no_event_wherever_it_falls() {
    assert_eq!(excursions(&run(falling(500))), []);
}

#[test]
fn an_event_lasts_from_its_first_step_above_to_its_last() {
    let mut losses = falling(300);
    for loss in &mut losses[199..204] {
        *loss += 2.0;
    }
    losses[201] = f64::NAN;
    let found = excursions(&run(losses));
    assert_eq!(
        found,
        [Excursion {
            first: 200,
            last: 204
        }]
    );
}

#[test]
fn a_level_that_stays_up_is_one_event_at_its_beginning() {
    let mut losses = vec![3.0; 300];
    losses[199..].fill(3.0 + 1.5 * HEIGHT);
    let found = excursions(&run(losses));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].first, 200);
    assert!(found[0].last < 220, "{found:?}");
}

#[test]
fn two_excursions_are_one_event_unless_enough_calm_lies_between() {
    for (calm, events) in [(CALM - 1, 1), (CALM, 2)] {
        let mut losses = vec![3.0; 300];
        losses[100] = 5.0;
        losses[101 + calm] = 5.0;
        assert_eq!(excursions(&run(losses)).len(), events, "{calm}");
    }
}

#[test]
fn a_run_that_stays_nan_is_one_event() {
    let mut losses = vec![3.0; 100];
    losses[60..].fill(f64::NAN);
    assert_eq!(
        excursions(&run(losses)),
        [Excursion {
            first: 61,
            last: 100
        }]
    );
    let all = run(vec![f64::NAN; 5]);
    let truth = Truth::of(&all, Vec::new());
    assert_eq!(
        truth.events[0].from, 1,
        "before the first record there is no step to warn at"
    );
    assert_eq!(excursions(&all), [Excursion { first: 1, last: 5 }]);
}

#[test]
fn nothing_is_labelled_without_losses() {
    assert_eq!(excursions(&[]), []);
    assert_eq!(excursions(&[Record::new(1)]), []);
    assert_eq!(excursions(&run([1.0, 9.0, 1.0])), []);
}

/// One event at step 200.
fn truth(planted: Vec<Planted>) -> Truth {
    let mut losses = vec![3.0; 400];
    losses[199..203].fill(6.0);
    Truth::of(&run(losses), planted)
}

#[test]
fn an_alarm_counts_for_the_event_it_is_near_and_else_as_false() {
    let truth = truth(Vec::new());
    let event = Event {
        first: 200,
        from: 168,
        to: 208,
        end: 211,
    };
    assert_eq!(truth.events, [event]);
    for (alarms, lead, wrong) in [
        (&[][..], None, 0),
        (&[197], Some(3), 0),
        (&[168, 197], Some(32), 0),
        (&[167], None, 1),
        (&[200], Some(0), 0),
        (&[205, 210], Some(-5), 0),
        (&[209, 211], None, 0),
        (&[3, 4, 212], None, 3),
    ] {
        let outcome = measure::hold(&truth, 1.0, alarms);
        assert_eq!(
            (outcome.leads[0], outcome.false_alarms),
            (lead, wrong),
            "{alarms:?}"
        );
    }
}

/// What happens before a cause that was planted cannot have been caused by it.
#[test]
fn nothing_warns_of_a_planted_cause_before_it_is_there() {
    let planted = |step| Planted {
        kind: "noise".to_owned(),
        span: Span {
            from: step,
            to: step + 1,
        },
    };
    let truth = truth(vec![planted(198), planted(300)]);
    assert_eq!(truth.events[0].from, 198);
    let outcome = measure::hold(&truth, 1.0, &[197, 199, 305, 320]);
    assert_eq!(outcome.leads, [Some(1)]);
    assert_eq!(outcome.planted, [true, true]);
    assert_eq!(outcome.false_alarms, 2, "197 and 320");
    assert_eq!(measure::hold(&truth, 1.0, &[310]).planted, [false, false]);
}

#[test]
fn a_detector_without_its_signal_is_left_out_and_one_without_threshold_stands_alone() {
    let records = run(falling(100));
    let measured = measure(&records, &Truth::default());
    for (entry, detection) in DETECTORS.iter().zip(&measured.detections) {
        assert_eq!(
            detection.is_some(),
            entry.signals.contains(&"loss"),
            "{}",
            entry.name
        );
        if let Some(detection) = detection {
            let count = if entry.name == "non-finite" {
                1
            } else {
                factors().len()
            };
            assert_eq!(detection.outcomes.len(), count, "{}", entry.name);
            assert_eq!(detection.calm_steps, 100);
        }
    }
    assert!(factors().contains(&1.0));
}

/// At the default threshold the measurement sees what the registry's detector raises.
#[test]
fn a_spike_is_found_at_its_first_step_by_the_robust_rule() {
    let mut losses = falling(400);
    losses[299] += 3.0;
    let records = run(losses);
    let measured = measure(&records, &Truth::of(&records, Vec::new()));
    assert_eq!(measured.events, [(300, 32)]);
    let place = DETECTORS
        .iter()
        .position(|e| e.name == "robust-loss")
        .unwrap();
    let outcomes = &measured.detections[place].as_ref().unwrap().outcomes;
    let usual = outcomes
        .iter()
        .find(|outcome| outcome.factor == 1.0)
        .unwrap();
    assert_eq!((usual.leads[0], usual.false_alarms), (Some(0), 0));
}

proptest! {
    /// Whatever a run holds, events lie in order and apart, and every alarm is counted once at most.
    #[test]
    fn events_never_meet(
        losses in prop::collection::vec(prop_oneof![20 => 3.0..3.2, 2 => 4.5..9.0, 1 => Just(f64::NAN)], 0..300),
        plants in prop::collection::vec(0u64..300, 0..3),
    ) {
        let planted = |from: u64| Planted { kind: "noise".to_owned(), span: Span { from, to: from } };
        let records = run(losses);
        let truth = Truth::of(&records, plants.into_iter().map(planted).collect());
        for event in &truth.events {
            prop_assert!(event.from <= event.first && event.first < event.to && event.to <= event.end);
        }
        for pair in truth.events.windows(2) {
            prop_assert!(pair[0].end < pair[1].from, "{:?}", truth.events);
        }
        let all: Vec<u64> = (1..=records.len() as u64).collect();
        let outcome = measure::hold(&truth, 1.0, &all);
        prop_assert!(outcome.leads.iter().all(Option::is_some));
    }
}
