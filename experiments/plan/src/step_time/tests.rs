use super::*;
use crate::Schedule;
use crate::hardware::gpu;
use crate::memory::estimate;
use crate::pipeline::{PipelineInput, simulate};
use crate::published::{published_cluster, published_layout};
use experiments_config::load_preset;

fn layout(t: u64, p: u64, batch: u64) -> Layout {
    Layout {
        tensor_parallel: t,
        pipeline_parallel: p,
        data_parallel: 768 / t / p,
        global_batch: batch,
        ..published_layout()
    }
}

fn time(layout: &Layout) -> StepTime {
    let config = load_preset("glm-130b", &[]).unwrap();
    let gpu = gpu("a100-40g").unwrap();
    let memory = estimate(&config, layout, gpu).unwrap();
    let parameters = memory.most_parameters();
    let options = PlanOptions::default();
    step_time(
        &config,
        &published_cluster(),
        layout,
        gpu,
        &options,
        parameters,
    )
    .unwrap()
}

/// Both published steps are predictions of a fit to other systems: within a tenth, and so within the interval.
#[test]
fn predicts_the_published_steps() {
    for (batch, published) in [(4224, 88.5), (6144, 122.5)] {
        let found = time(&layout(4, 8, batch)).seconds;
        assert!((found / published - 1.0).abs() < 0.1, "{found}");
    }
}

/// "t = 8 was slower than t = 4" (arXiv 2210.02414, without a number).
#[test]
fn eight_tensor_ranks_are_slower_than_four() {
    let (four, eight) = (time(&layout(4, 8, 4224)), time(&layout(8, 4, 4224)));
    assert!(eight.seconds > four.seconds);
    assert!(eight.terms.tensor > four.terms.tensor);
}

/// The bubble's share of the pipeline's time must be the closed form.
#[test]
fn the_bubble_is_the_closed_form() {
    let layout = layout(4, 8, 4224);
    let terms = time(&layout).terms;
    let pipeline = terms.pipeline_seconds();
    assert!((terms.bubble / pipeline - layout.bubble()).abs() < 1e-12);
}

/// Two ways to the same step: the sum of terms here and the schedule played operation by operation,
/// in time and in what is in flight.
#[test]
fn the_simulated_schedule_takes_as_long_and_holds_as_much() {
    let config = load_preset("glm-130b", &[]).unwrap();
    for (schedule, chunks) in [
        (Schedule::OneForwardOneBackward, 1),
        (Schedule::Gpipe, 1),
        (Schedule::Interleaved, 3),
    ] {
        let layout = Layout {
            schedule,
            chunks,
            ..layout(4, 8, 4224)
        };
        let step = time(&layout);
        let played = simulate(&PipelineInput {
            stages: 8,
            micro_batches: layout.micro_batches(),
            chunks,
            schedule,
            forward_seconds: step.forward_seconds,
            backward_seconds: step.backward_seconds,
            send_seconds: 0.0,
        })
        .unwrap();
        let terms = step.terms;
        let pipeline = terms.pipeline_seconds();
        assert!(
            (played.seconds / pipeline - 1.0).abs() < 1e-9,
            "{schedule:?}"
        );
        assert!(
            (played.bubble - layout.bubble()).abs() < 1e-9,
            "{schedule:?}"
        );
        let memory = estimate(&config, &layout, gpu("a100-40g").unwrap()).unwrap();
        let held: Vec<_> = memory.stages.iter().map(|stage| stage.in_flight).collect();
        assert_eq!(held, played.peak_in_flight, "{schedule:?}");
    }
}
