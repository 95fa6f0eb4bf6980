use super::*;
use crate::Schedule;
use crate::hardware::gpu;
use crate::memory::estimate;
use experiments_config::load_preset;

fn cluster() -> Cluster {
    Cluster {
        nodes: 96,
        gpus_per_node: 8,
        gpu: "a100-40g".to_owned(),
    }
}

fn layout(t: u64, p: u64, batch: u64) -> Layout {
    Layout {
        tensor_parallel: t,
        pipeline_parallel: p,
        data_parallel: 768 / t / p,
        micro_batch: 1,
        global_batch: batch,
        recompute: Recompute::Full,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
    }
}

fn time(layout: &Layout) -> StepTime {
    let config = load_preset("glm-130b", &[]).unwrap();
    let gpu = gpu("a100-40g").unwrap();
    let memory = estimate(&config, layout, gpu).unwrap();
    let parameters = memory.stages.iter().map(|s| s.parameters).max().unwrap();
    let options = MemoryOptions::default();
    step_time(&config, &cluster(), layout, gpu, &options, parameters, None).unwrap()
}

/// Guards the calibration: whoever touches a term of the model must calibrate anew.
#[test]
fn calibrated_on_the_published_step() {
    let found = time(&layout(4, 8, 4224)).seconds;
    assert!((found - 88.5).abs() < 0.05, "{found}");
}

/// The second published step (122.5 s at a batch of 6,144) is a prediction of the calibrated
/// model, within a few percent.
#[test]
fn predicts_the_other_published_step() {
    let found = time(&layout(4, 8, 6144)).seconds;
    assert!((found / 122.5 - 1.0).abs() < 0.04, "{found}");
}

/// "t = 8 was slower than t = 4" (arXiv 2210.02414 appendix B.5).
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
    let pipeline = terms.compute + terms.tensor + terms.pipeline + terms.bubble;
    assert!((terms.bubble / pipeline - layout.bubble()).abs() < 1e-12);
}
