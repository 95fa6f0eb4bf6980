//! Against simulated detectors, of which the truth is known.

use super::resample::{Counts, Resampled, Totals};
use super::*;
use logs::Record;
use logs::evaluation::{Detection, Event, Measured, Truth};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;

const STEPS: u64 = 1_000;

/// Two events, at steps 300 and 700, each with 32 steps before it.
fn truth() -> Truth {
    let event = |first: u64| Event {
        first,
        from: first - 32,
        to: first + 8,
        end: first + 8,
    };
    Truth {
        events: vec![event(300), event(700)],
        ..Truth::default()
    }
}

/// A run on which every detector raises these alarms, whatever its threshold.
fn run(alarms: &[u64]) -> LabelledRun {
    with_family(|_| alarms.to_vec())
}

/// A run on which every detector raises these alarms at each factor.
fn with_family(alarms: impl Fn(f64) -> Vec<u64>) -> LabelledRun {
    let truth = truth();
    let detection = Detection {
        calm_steps: STEPS - 2 * 41,
        outcomes: logs::evaluation::factors()
            .into_iter()
            .map(|factor| logs::evaluation::measure::hold(&truth, factor, &alarms(factor)))
            .collect(),
    };
    LabelledRun {
        name: "simulated".to_owned(),
        measured: Some(Measured {
            events: vec![(300, 32), (700, 32)],
            planted: Vec::new(),
            steps: STEPS,
            detections: vec![Some(detection); DETECTORS.len()],
        }),
        note: None,
    }
}

fn evaluated(runs: &[LabelledRun]) -> DetectorResult {
    evaluate(runs, &Labels::Rule, 1.0).detectors[0].clone()
}

#[test]
fn a_perfect_detector_is_perfect_and_its_lead_is_the_planted_one() {
    let runs: Vec<LabelledRun> = (0..20).map(|i| run(&[300 - i % 5, 700 - i % 5])).collect();
    let found = evaluated(&runs);
    let point = found.matched.unwrap();
    assert_eq!((point.found, point.false_alarms, found.events), (40, 0, 40));
    assert_eq!(point.recall.unwrap().value, 1.0);
    assert_eq!(point.precision.unwrap().value, 1.0);
    assert_eq!(
        point.warned.unwrap().value,
        0.8,
        "a fifth is found at the first step"
    );
    let lead = point.lead.unwrap();
    assert_eq!(
        [
            lead.least,
            lead.lower_quartile,
            lead.median,
            lead.upper_quartile,
            lead.most
        ],
        [0.0, 1.0, 2.0, 3.0, 4.0]
    );
    assert!(point.leads);
    // 20 runs of which none was missed do not show that none ever is.
    let recall = point.recall.unwrap().interval.unwrap();
    assert!(
        (0.8..0.9).contains(&recall.low) && recall.high == 1.0,
        "{recall:?}"
    );
    let rate = point.rate.unwrap().interval.unwrap();
    assert!(
        rate.low == 0.0 && (0.1..0.3).contains(&rate.high),
        "{rate:?}"
    );
}

#[test]
fn a_late_detector_finds_everything_and_leads_nothing() {
    let runs: Vec<LabelledRun> = (0..20).map(|_| run(&[303, 704])).collect();
    let point = evaluated(&runs).matched.unwrap();
    assert_eq!(point.recall.unwrap().value, 1.0);
    assert_eq!(point.warned.unwrap().value, 0.0);
    assert_eq!(point.lead.unwrap().median, -3.5);
    assert!(!point.leads);
    let evaluation = evaluate(&runs, &Labels::Rule, 1.0);
    assert!(
        evaluation.finding.starts_with("No signal leads"),
        "{}",
        evaluation.finding
    );
}

/// Alarms at random steps, a share of `rate` per 1,000.
fn at_random(generator: &mut ChaCha8Rng, rate: f64) -> Vec<u64> {
    (1..=STEPS)
        .filter(|_| generator.random::<f64>() < rate / 1_000.0)
        .collect()
}

#[test]
fn a_detector_that_fires_at_random_is_as_good_as_chance_says_and_does_not_lead() {
    let mut generator = ChaCha8Rng::seed_from_u64(5);
    let runs: Vec<LabelledRun> = (0..400)
        .map(|_| run(&at_random(&mut generator, 5.0)))
        .collect();
    let found = evaluated(&runs);
    assert_eq!(found.matched, None, "no threshold of it is cheap enough");
    let point = found.default.unwrap();
    assert!(
        (4.5..5.5).contains(&point.rate.unwrap().value),
        "{:?}",
        point.rate
    );
    let (warned, chance) = (point.warned.unwrap(), point.by_chance.unwrap());
    let exact = 1.0 - (-5.0 * 32.0 / 1_000.0_f64).exp();
    assert!((chance - exact).abs() < 0.01, "{chance} and {exact}");
    assert!(warned.interval.unwrap().holds(exact), "{warned:?}");
    assert!(!point.leads, "{warned:?} against {chance}");
}

/// The threshold is the lowest that is cheap enough together with all above it.
#[test]
fn detectors_are_matched_at_their_price() {
    // Below a factor of 1 five false alarms a run; at 8 as well, which no threshold below may hide behind.
    let costs = |factor: f64| {
        if factor < 1.0 {
            vec![10, 50, 100, 150, 200, 700]
        } else {
            vec![700]
        }
    };
    let runs: Vec<LabelledRun> = (0..10).map(|_| with_family(costs)).collect();
    let found = evaluated(&runs);
    let point = found.matched.unwrap();
    assert_eq!((point.factor, point.false_alarms), (1.0, 0));
    assert_eq!(found.default.unwrap().factor, 1.0);
    assert!(found.curve[0].rate > 5.0 && found.curve[20].rate == 0.0);
    let odd = |factor: f64| if factor > 7.0 { costs(0.5) } else { vec![700] };
    let runs: Vec<LabelledRun> = (0..10).map(|_| with_family(odd)).collect();
    assert_eq!(evaluated(&runs).matched, None);
}

/// Repetitions.
const TIMES: usize = 400;

/// The interval of a share holds the truth as often as it says, where runs differ and have few events.
#[test]
fn intervals_over_runs_cover_the_truth() {
    let mut generator = ChaCha8Rng::seed_from_u64(11);
    // In a run each of 1 to 4 events is found with the same probability, 0.9 or 0.3: 0.6 on average.
    let one = |generator: &mut ChaCha8Rng| {
        let p = if generator.random::<bool>() { 0.9 } else { 0.3 };
        let events = generator.random_range(1..=4_u64);
        let found = (0..events)
            .filter(|_| generator.random::<f64>() < p)
            .count() as u64;
        let false_alarms = (0..3).filter(|_| generator.random::<f64>() < p).count() as u64;
        Totals {
            events,
            warnable: events,
            calm_steps: STEPS,
            counts: vec![Counts {
                found,
                early: found,
                false_alarms,
            }],
        }
    };
    let (mut recall, mut rate) = (0, 0);
    for _ in 0..TIMES {
        let runs: Vec<Totals> = (0..40).map(|_| one(&mut generator)).collect();
        let resampled = Resampled::times(&runs, 400).unwrap();
        let share = resampled.share(LEVEL, |sum| sum.recall(0));
        recall += usize::from(share.unwrap().holds(0.6));
        let interval = resampled.rate(40 * STEPS, |sum| sum.rate(0)).unwrap();
        rate += usize::from(interval.holds(1.8));
    }
    eprintln!("coverage of {TIMES}: recall {recall}, rate {rate}");
    for covered in [recall, rate] {
        let share = covered as f64 / TIMES as f64;
        assert!((0.91..=0.98).contains(&share), "{share}");
    }
}

#[test]
fn a_run_without_the_signal_is_left_out_and_its_events_are_no_misses() {
    let mut runs: Vec<LabelledRun> = (0..4).map(|_| run(&[299, 699])).collect();
    for run in &mut runs[..2] {
        run.measured.as_mut().unwrap().detections[0] = None;
    }
    let found = evaluated(&runs);
    assert_eq!((found.runs, found.events), (2, 4));
    assert_eq!(found.matched.unwrap().recall.unwrap().value, 1.0);
    for run in &mut runs {
        run.measured.as_mut().unwrap().detections[0] = None;
    }
    let evaluation = evaluate(&runs, &Labels::Rule, 1.0);
    assert_eq!(evaluation.detectors[0].default, None);
    assert!(
        evaluation
            .text()
            .contains("`non-finite`: signal not recorded in any run (loss, grad_norm)"),
        "{}",
        evaluation.text()
    );
}

#[test]
fn no_runs_one_run_and_no_events_give_a_table_without_numbers_nobody_has() {
    let none = evaluate(&[], &Labels::Rule, 1.0);
    assert!(none.text().contains("No events"), "{}", none.text());
    let one = evaluate(&[run(&[299])], &Labels::Rule, 1.0);
    let point = one.detectors[0].default.clone().unwrap();
    assert_eq!(point.recall.unwrap().interval, None);
    assert!(!point.leads, "one run shows nothing");
    assert!(one.text().contains("at least two"));
    let records: Vec<Record> = (1..=100).map(Record::new).collect();
    let calm = LabelledRun {
        measured: Some(logs::evaluation::measure(&records, &Truth::default())),
        ..run(&[])
    };
    let evaluation = evaluate(&[calm.clone(), calm], &Labels::Rule, 1.0);
    assert_eq!(evaluation.events, 0);
    assert!(!evaluation.text().contains("NaN"), "{}", evaluation.text());
}

/// JSON has no NaN, and what is written can be read again.
#[test]
fn an_evaluation_survives_json() {
    let mut nothing_calm = run(&[299]);
    for detection in &mut nothing_calm.measured.as_mut().unwrap().detections {
        detection.as_mut().unwrap().calm_steps = 0;
    }
    for runs in [
        vec![nothing_calm],
        vec![],
        vec![run(&[])],
        (0..5).map(|i| run(&[299 - i, 5])).collect(),
    ] {
        let evaluation = evaluate(&runs, &Labels::Rule, 1.0);
        let text = serde_json::to_string(&evaluation).unwrap();
        let back: Evaluation = serde_json::from_str(&text).unwrap();
        assert_eq!(back, evaluation);
    }
}

mod directories;
