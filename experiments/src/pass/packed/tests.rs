//! Rounds of a pack: nobody waits for ever, and nothing depends on who is faster.

use super::*;
use crate::data::objective::{Kind, Sample, Segment};
use burn::backend::{Autodiff, Flex};
use experiments_config::Norm;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

fn config(seed: u64, change: impl Fn(&mut Config)) -> Config {
    let mut config = Config {
        seed,
        ..Config::default()
    };
    config.model.layers = 1;
    config.model.hidden_size = 8;
    config.model.ffn_hidden_size = 8;
    config.model.seq_len = 6;
    config.tokenizer.vocab_size = 20;
    change(&mut config);
    config
}

fn batch(seed: u64) -> Batch {
    let sample = Sample {
        kind: Kind::Gmask,
        tokens: (0..6).map(|i| (5 * i + seed as u32) % 20).collect(),
        positions: (0..6).collect(),
        block_positions: vec![0; 6],
        targets: (0..6_u32).map(|i| (i > 2).then_some(i)).collect(),
        segments: vec![Segment {
            start: 0,
            len: 6,
            prefix: 3,
        }],
    };
    Batch {
        samples: vec![sample],
        languages: vec![None],
    }
}

const NOTE: Note = Note {
    probe: false,
    capture: false,
};

fn graph() -> Graph<Autodiff<Flex>> {
    Graph::new(Default::default(), "flex".to_owned(), false)
}

/// A run of `steps` steps of so many micro-batches that evaluates after every second one: its losses and
/// the sum of its gradients' magnitudes.
fn run(handle: &PackHandle, config: &Config, steps: usize, micro_batches: usize) -> Vec<f64> {
    let mut parameters = Parameters::initialise(&config.model, 20, config.seed);
    let precision = Precision::new(&config.precision, config.model.layers);
    let mut seen = Vec::new();
    let batch = batch(config.seed);
    for step in 0..steps {
        for micro in 0..micro_batches {
            let run = Run {
                config,
                precision: &precision,
                parameters: &parameters,
                batch: &batch,
            };
            let dropout = Dropout::new(config.seed, micro as u64);
            let pass = handle.train(run, 8.0, dropout, NOTE).end(&precision);
            seen.extend(pass.losses.all.value());
            let gradient = pass.gradients.flat;
            let weights = parameters.values_mut().iter_mut();
            weights
                .zip(gradient.iter())
                .for_each(|(w, g)| *w -= 0.01 * g);
        }
        if step % 2 == 1 {
            let run = Run {
                config,
                precision: &precision,
                parameters: &parameters,
                batch: &batch,
            };
            seen.extend(handle.evaluate(run).all.value());
        }
    }
    seen
}

/// All runs of a pack, each after a pause of its own before it begins.
fn together(configs: &[Config], pauses: &[u64]) -> Vec<Vec<f64>> {
    let (pack, handles) = Pack::new(configs.iter());
    thread::scope(|scope| {
        let _closing = pack.closing();
        let runs = configs.iter().zip(handles).zip(pauses).enumerate();
        let threads: Vec<_> = runs
            .map(|(i, ((config, handle), pause))| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(*pause));
                    // Different lengths and different numbers of passes a step.
                    run(&handle, config, 3 + 2 * i, 1 + i)
                })
            })
            .collect();
        pack.serve(&graph());
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

#[test]
fn runs_of_different_lengths_and_rhythms_end_with_the_same_numbers_in_any_order() {
    let configs = [
        config(1, |_| {}),
        config(2, |c| c.model.norm = Norm::Post),
        // Shares no pass with the others, only their rounds.
        config(3, |c| c.model.norm = Norm::Pre),
    ];
    let first = together(&configs, &[0, 20, 40]);
    assert_eq!(first, together(&configs, &[40, 0, 20]));
    let lengths: Vec<_> = first.iter().map(Vec::len).collect();
    assert_eq!(lengths, [3 + 1, 5 * 2 + 2, 7 * 3 + 3]);
    // Alone in a pack of its own, a run has the numbers it has in company.
    for (i, config) in configs.iter().enumerate() {
        let (pack, mut handles) = Pack::new([config].into_iter());
        let alone = thread::scope(|scope| {
            let handle = handles.pop().unwrap();
            let run = scope.spawn(move || run(&handle, config, 3 + 2 * i, 1 + i));
            pack.serve(&graph());
            run.join().unwrap()
        });
        assert_eq!(alone, first[i]);
    }
}

#[test]
fn a_run_that_panics_or_never_begins_leaves_its_handle() {
    let configs = [1, 2, 3].map(|seed| config(seed, |_| {}));
    let (pack, handles) = Pack::new(configs.iter());
    let mut handles = handles.into_iter();
    let (first, second, third) = (handles.next(), handles.next(), handles.next());
    drop(second);
    let seen = thread::scope(|scope| {
        let _closing = pack.closing();
        let run_on = scope.spawn(|| run(&first.unwrap(), &configs[0], 3, 1));
        let panics = scope.spawn(|| {
            let _handle = third.unwrap();
            std::panic::resume_unwind(Box::new("quietly"));
        });
        pack.serve(&graph());
        assert!(panics.join().is_err());
        run_on.join().unwrap()
    });
    assert_eq!(seen.len(), 4);
}

/// Out of memory on a device is a panic: the runs must end, or the process would hang.
#[test]
fn a_broken_pass_fails_every_waiting_request() {
    let mut configs = [1, 2].map(|seed| config(seed, |_| {}));
    // Not the shape of the weights that come with it.
    let (pack, handles) = Pack::new(configs.iter());
    let ended = AtomicUsize::new(0);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        thread::scope(|scope| {
            let _closing = pack.closing();
            for (handle, config) in handles.into_iter().zip(&mut configs) {
                let ended = &ended;
                scope.spawn(move || {
                    let parameters = Parameters::initialise(&config.model, 20, 1);
                    config.model.hidden_size = 12;
                    let batch = batch(1);
                    let precision = Precision::new(&config.precision, config.model.layers);
                    let run = Run {
                        config,
                        precision: &precision,
                        parameters: &parameters,
                        batch: &batch,
                    };
                    let asked = std::panic::AssertUnwindSafe(|| handle.evaluate(run));
                    assert!(std::panic::catch_unwind(asked).is_err());
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
            pack.serve(&graph());
        });
    }));
    assert!(result.is_err(), "the pass panics");
    assert_eq!(ended.load(Ordering::Relaxed), 2);
}
