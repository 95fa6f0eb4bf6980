//! What a training step must do whatever the model: seen from outside, in the records.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use logs::RunReader;
use support::{Engine, Scratch, stderr};

/// Trains with changes to the tiny proxy and returns the run.
fn train(scratch: &Scratch, out: &str, set: &[&str]) -> RunReader {
    let mut arguments = vec!["train", "tiny.toml", "--out", out];
    for change in set {
        arguments.extend(["--set", change]);
    }
    let output = scratch.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    RunReader::open(&scratch.join(out)).unwrap()
}

fn scratch(engine: Engine, name: &str, steps: u32) -> Scratch {
    let scratch = Scratch::new(&format!("{name}-{}", engine.name()));
    let text = format!("{}{}", engine.tiny(steps), scratch.texts());
    scratch.write("tiny.toml", &text);
    scratch
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * b.abs().max(1e-3)
}

#[test]
fn accumulated_micro_batches_equal_one_larger_batch() {
    Engine::HOST.into_iter().for_each(accumulate);
}

fn accumulate(engine: Engine) {
    let scratch = scratch(engine, "accumulation", 3);
    let common = [
        "model.dropout=0.0",
        "model.attention_dropout=0.0",
        "precision.format=fp32",
        "precision.grad_accumulation=fp32",
    ];
    let run = |out: &str, shape: [&str; 2]| {
        let set: Vec<&str> = common.into_iter().chain(shape).collect();
        train(&scratch, out, &set)
    };
    let one = run(
        "one",
        ["batch.micro_batch=4", "batch.gradient_accumulation=1"],
    );
    let four = run(
        "four",
        ["batch.micro_batch=1", "batch.gradient_accumulation=4"],
    );
    engine.assert_ran(&scratch.join("four"));
    for (a, b) in one.records().iter().zip(four.records()) {
        for name in [
            "loss",
            "grad_norm",
            "grad_norm_embedding_input",
            "update_norm",
            "samples",
        ] {
            let (a, b) = (a.scalar(name).unwrap(), b.scalar(name).unwrap());
            assert!(close(a, b), "{name}: {a} {b}");
        }
    }
}

#[test]
fn arms_of_one_seed_see_the_same_data_and_another_seed_does_not() {
    Engine::HOST.into_iter().for_each(compare_arms);
}

fn compare_arms(engine: Engine) {
    let scratch = scratch(engine, "common-numbers", 1);
    // With gain 0 every sub-layer adds nothing, and what is left is a norm of the embedding: the
    // first loss depends on embedding and data alone, whatever the arrangement.
    let common = [
        "model.init.gain=0.0",
        "model.layer_norm_eps=1e-12",
        "precision.format=fp32",
        "precision.grad_accumulation=fp32",
    ];
    let loss = |out: &str, norm: &str, seed: &str| {
        let set: Vec<&str> = common.into_iter().chain([norm, seed]).collect();
        train(&scratch, out, &set).records()[0]
            .scalar("loss")
            .unwrap()
    };
    let post = loss("post", "model.norm=post", "seed=1");
    engine.assert_ran(&scratch.join("post"));
    assert!(close(post, loss("pre", "model.norm=pre", "seed=1")));
    assert!(close(
        post,
        loss("glm", "model.norm=deepnorm_glm", "seed=1")
    ));
    assert!(!close(post, loss("other", "model.norm=post", "seed=2")));
}

#[test]
fn clipping_scales_the_update_and_zero_learning_rate_moves_nothing() {
    Engine::HOST.into_iter().for_each(clip);
}

fn clip(engine: Engine) {
    let scratch = scratch(engine, "clipping", 2);
    let clipped = train(&scratch, "clipped", &["optimizer.clip_grad=0.01"]);
    engine.assert_ran(&scratch.join("clipped"));
    for record in clipped.records() {
        let (clip, norm) = (
            record.scalar("clip_coefficient"),
            record.scalar("grad_norm"),
        );
        assert!(close(clip.unwrap() * norm.unwrap(), 0.01));
    }
    let still = train(&scratch, "still", &["optimizer.lr=0.0"]);
    assert!(
        still
            .records()
            .iter()
            .all(|r| r.scalar("update_norm") == Some(0.0))
    );
}

#[test]
fn overflows_are_met_as_configured() {
    Engine::HOST.into_iter().for_each(overflow);
}

/// From a loss scale far too high: a published scaler halves it a step at a time, one that falls to the overflow is
/// at once where the recorded size says, and gradients that saturate cost no update.
fn overflow(engine: Engine) {
    let scratch = scratch(engine, "overflow", 8);
    let run = |out: &str, change: &[&str]| {
        let scale = "precision.loss_scale.initial=1073741824.0";
        let mut set = vec!["precision.format=fp16", scale];
        set.extend(change);
        train(&scratch, out, &set).records().to_vec()
    };
    let value = |record: &logs::Record, name: &str| record.scalar(name).unwrap();
    let skipped = |records: &[logs::Record]| records.iter().filter(|r| r.skipped()).count();

    let halved = run("halved", &[]);
    engine.assert_ran(&scratch.join("halved"));
    assert_eq!(skipped(&halved), 8);
    assert_eq!(value(&halved[7], "loss_scale"), 2_f64.powi(24));

    let fallen = run("fallen", &["precision.loss_scale.fall=to_overflow"]);
    assert!((1..8).contains(&skipped(&fallen)));
    for pair in fallen.windows(2).filter(|pair| pair[0].skipped()) {
        let scale = value(&pair[0], "loss_scale");
        let times = scale * value(&pair[0], "grad_max") / 65_504.0;
        assert!(times > 1.0, "{times}");
        let expected = scale / times.log2().ceil().exp2();
        assert_eq!(value(&pair[1], "loss_scale"), expected);
    }

    let saturated = run("saturated", &["precision.saturate_gradients=true"]);
    assert_eq!(skipped(&saturated), 0);
    assert!(value(&saturated[0], "overflow_count") > 0.0);
    assert!(value(&saturated[0], "grad_norm").is_finite());
    let scales: Vec<_> = saturated.iter().map(|r| value(r, "loss_scale")).collect();
    let expected: Vec<_> = halved.iter().map(|r| value(r, "loss_scale")).collect();
    assert_eq!(scales, expected);
}
