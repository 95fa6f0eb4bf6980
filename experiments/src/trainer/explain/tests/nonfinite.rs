//! Planted overflows in both passes, in 16 bits and in FP32.

use super::*;

/// A run with weights that are suddenly others at step 3.
fn planted(format: &str, weights: &[(&str, u64, &str)]) -> Run {
    let cause = |(tensor, element, factor): &(&str, u64, &str)| {
        format!(
            "{{kind=\"weight\",step=3,tensor=\"layers.1.{tensor}.weight\",element={element},factor={factor}}}"
        )
    };
    let causes: Vec<_> = weights.iter().map(cause).collect();
    let set = [
        format!("precision.format={format}"),
        format!("inject=[{}]", causes.join(",")),
    ];
    let name = format!("planted-{format}-{}", weights.len());
    Run::trained(&name, &set.each_ref().map(String::as_str))
}

fn first(run: &Run, step: u64) -> Nonfinite {
    let told = run.explain(&[step]).remove(0);
    told.nonfinite
        .unwrap_or_else(|| panic!("loss {}, norm {}", told.loss, told.grad_norm))
}

/// Planted: a loss scale under which the backward pass overflows.
#[test]
fn the_first_gradient_beyond_fp16_is_named_as_the_run_named_it() {
    let scaled = Run::trained(
        "scaled",
        &[
            "precision.format=fp16",
            "precision.loss_scale.initial=1e9",
            "batch.gradient_accumulation=2",
        ],
    );
    let found = first(&scaled, 1);
    let events = logs::read::events(&scaled.directory()).unwrap();
    let told = events
        .iter()
        .find_map(|event| event.data.get("first_overflow"));
    let event = told.unwrap().as_str().unwrap();
    assert_eq!(event, format!("{} (backward)", found.tensor));
    assert_eq!((found.stage, found.micro_batch), (Stage::Backward, 0));
    assert!(
        found.overflow > 0 && found.largest.unwrap() > 65_504.0,
        "{found:?}"
    );
    assert_eq!(found.limit, Some(65_504.0));
    let told = scaled.explain(&[1]).remove(0);
    assert!(told.skipped.is_some() && told.clip_coefficient.is_none());
    assert!(told.parts.iter().all(|part| part.share.share.is_none()));
    assert!(
        told.sequences
            .iter()
            .all(|sequence| sequence.share.is_none())
    );
    let margins = told.range.iter().filter_map(|row| row.backward.margin);
    assert!(margins.fold(f64::INFINITY, f64::min) < 1.0);
}

/// Planted: weights under which the forward pass overflows in FP16 and in FP32, and one that is infinite itself.
#[test]
fn the_first_activation_that_is_not_finite_is_named() {
    let found = first(&planted("fp16", &[("ffn.up", 5, "1e7")]), 3);
    assert_eq!((found.layer, found.stage), (Some(1), Stage::Forward));
    assert_eq!(found.tensor, "layers.1.ffn.up");
    // The first row of the value half, and what multiplies it.
    let both = [("ffn.up", 5, "1e38"), ("ffn.down", 0, "1e8")];
    let found = first(&planted("fp32", &both), 3);
    assert_eq!((found.layer, found.stage), (Some(1), Stage::Forward));
    assert_eq!(found.tensor, "layers.1.ffn.down");
    assert_eq!((found.limit, found.overflow), (None, 0));
    let twice = [("ffn.up", 5, "3e38"), ("ffn.up", 5, "3e38")];
    let found = first(&planted("bf16", &twice), 3);
    assert_eq!(found.stage, Stage::Weight);
    assert_eq!(found.tensor, "layers.1.ffn.up.weight");
}
