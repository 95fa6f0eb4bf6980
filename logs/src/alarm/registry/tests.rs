use super::*;
use proptest::prelude::*;

#[test]
fn names_are_unique_and_every_signal_is_one_that_runs_record() {
    for (i, entry) in DETECTORS.iter().enumerate() {
        assert!(
            DETECTORS[..i].iter().all(|other| other.name != entry.name),
            "{} twice",
            entry.name
        );
        assert!(!entry.signals.is_empty(), "{}", entry.name);
        for signal in entry.signals {
            assert!(
                crate::SIGNALS.iter().any(|known| known.name == *signal),
                "{}: {signal}",
                entry.name
            );
        }
        assert!(!entry.source.is_empty() && !entry.thresholds.is_empty());
    }
    assert!(detector("robust-loss").is_some() && detector("no such").is_none());
}

/// A step with every signal; the numbers swing widely enough for every detector to meet spikes.
fn record(step: u64, seeds: &[f64]) -> Record {
    let mut record = Record::new(step);
    for (i, signal) in crate::SIGNALS.iter().enumerate() {
        let value = seeds[i % seeds.len()];
        if signal.per_layer {
            record.set_layers_named(signal.name, vec![value, 1.0, value * value, 2.0]);
        } else if signal.name == "skipped" {
            record.set_named(signal.name, f64::from(u8::from(value > 3.0)));
        } else {
            record.set_named(signal.name, value);
        }
    }
    record
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        20 => 1.0..1.1,
        1 => any::<f64>(),
        1 => Just(f64::NAN),
        1 => Just(100.0),
    ]
}

proptest! {
    /// Whatever comes, a detector restored from its state in the middle raises what the other one raises, and ends in the
    /// same state.
    #[test]
    fn every_detector_continues_from_its_state(
        steps in prop::collection::vec(prop::collection::vec(number(), 7), 40..160),
        cut in 0usize..160,
    ) {
        for entry in DETECTORS {
            let mut straight = (entry.make)(entry);
            let mut resumed = (entry.make)(entry);
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for (i, seeds) in steps.iter().enumerate() {
                if i == cut {
                    let text = resumed.state().unwrap().to_string();
                    resumed = (entry.make)(entry);
                    resumed.restore(serde_json::from_str(&text).unwrap()).unwrap();
                }
                let record = record(i as u64, seeds);
                straight.observe(&record, &mut a);
                resumed.observe(&record, &mut b);
            }
            prop_assert_eq!(format!("{a:?}"), format!("{b:?}"), "{}", entry.name);
            prop_assert_eq!(straight.state().unwrap(), resumed.state().unwrap());
        }
    }
}

/// JSON has no number for NaN and infinity, so none may get into a state.
#[test]
fn a_state_survives_json_whatever_was_seen() {
    let extremes = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        0.0,
        -0.0,
    ];
    for entry in DETECTORS {
        for extreme in extremes {
            let mut detector = (entry.make)(entry);
            let mut raised = Vec::new();
            for step in 0..300_u64 {
                let calm = 1.0 + 0.01 * (step % 7) as f64;
                // Calm, then now and then, then calm again, then always.
                let far = (100..150).contains(&step) && step % 3 == 0 || step > 200;
                let seeds = [if far { extreme } else { calm }; 7];
                detector.observe(&record(step, &seeds), &mut raised);
                if step % 10 != 0 {
                    continue;
                }
                let state = detector.state().unwrap();
                let text = state.to_string();
                let mut other = (entry.make)(entry);
                other
                    .restore(serde_json::from_str(&text).unwrap())
                    .unwrap_or_else(|error| panic!("{}, {extreme}: {error}", entry.name));
                assert_eq!(other.state().unwrap(), state, "{}, {extreme}", entry.name);
            }
        }
    }
}

/// A family of thresholds needs this of every detector; one that ignored the factor would look as good at all of them.
#[test]
fn a_higher_threshold_never_raises_the_first_alarm_sooner_and_a_huge_one_raises_none() {
    let values = |step: u64| {
        let wave = if step.is_multiple_of(2) { 1.0 } else { 1.01 };
        if step > 150 { wave * 1e3 } else { wave }
    };
    let steps: Vec<Record> = (0..200)
        .map(|step| {
            let mut record = record(step, &[values(step)]);
            record.set_named("skipped", f64::from(u8::from(step > 150)));
            record.set_named("loss_scale", 65536.0 / values(step).floor());
            record.set_named("clip_coefficient", 1.0 / values(step));
            record
        })
        .collect();
    let first = |entry: &Entry, factor: f64| {
        let threshold = entry.threshold.scaled(factor)?;
        let entry = Entry {
            threshold,
            ..*entry
        };
        let mut detector = (entry.make)(&entry);
        let mut raised = Vec::new();
        for record in &steps {
            detector.observe(record, &mut raised);
        }
        Some(raised.first().map_or(u64::MAX, |alarm| alarm.step))
    };
    for entry in DETECTORS {
        let Some(usual) = first(entry, 1.0) else {
            assert_eq!(entry.name, "non-finite");
            continue;
        };
        assert!(usual < 200, "{} raises nothing", entry.name);
        assert!(first(entry, 0.5) <= Some(usual), "{}", entry.name);
        assert!(first(entry, 2.0) >= Some(usual), "{}", entry.name);
        assert_eq!(first(entry, 1e9), Some(u64::MAX), "{}", entry.name);
    }
}
