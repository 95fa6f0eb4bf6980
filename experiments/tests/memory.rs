//! Bytes that training really allocates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use experiments::{LayerStudy, Request, layer_study, layer_study_bytes, train, training_bytes};
use experiments_config::{Config, resolve};
use experiments_text::Cache;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The system's allocator with a count of what is held and the most that was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call is passed on unchanged.
#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Peak bytes of a few steps, less what was held before.
fn peak(config: &Config, directory: &std::path::Path, name: &str) -> usize {
    let cache = Cache::locate(Some(directory.join("cache"))).unwrap();
    // Once for the tokenizer and its files.
    for run in ["first", "second"] {
        let before = HELD.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let out = directory.join(format!("{name}-{run}"));
        train(Request {
            directory: &out,
            config,
            cache: &cache,
            program: ("test", None, None),
            missing_languages: &[],
            stop: &AtomicBool::new(false),
            on_step: &mut |_| {},
            on_alarm: &mut |_| {},
            on_notice: &mut |_| {},
        })
        .unwrap();
        if run == "second" {
            return MOST.load(Ordering::Relaxed) - before;
        }
    }
    unreachable!("the loop returns")
}

fn text() -> String {
    let words = ["the", "small", "model", "learns", "words", "from", "text"];
    let (mut text, mut state) = (String::new(), 1_u32);
    while text.len() < 200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(text, "{} ", words[(state >> 24) as usize % words.len()]);
    }
    text
}

/// The count is of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// A slice has one copy of the weights, and its products make none of their own.
#[test]
fn a_slice_holds_what_it_is_estimated_to_hold() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut config = Config::default();
    config.model.layers = 1;
    (config.model.hidden_size, config.model.ffn_hidden_size) = (2048, 5120);
    let (tokens, before) = (32, HELD.load(Ordering::Relaxed));
    MOST.store(before, Ordering::Relaxed);
    layer_study(LayerStudy {
        config: &config,
        layers: 1,
        position: 0,
        tokens,
        input_rms: None,
        loss_scale: None,
        micro_batches: 1,
        progress: &mut |_, _| {},
    })
    .unwrap();
    let found = MOST.load(Ordering::Relaxed) - before;
    let ratio = layer_study_bytes(&config.model, tokens, 1) as f64 / found as f64;
    assert!((0.95..1.2).contains(&ratio), "{ratio} of {found} bytes");
}

/// Name, `[model]`, `[precision]` and the kernels that it is for.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// Shapes that the graph's estimate was not fitted to, and that of passes by hand was: deep, wide, long, and with many parameters for few
/// slots; then those with everything that takes memory of its own in passes by hand only. All text is generated, so that the number of targets
/// is no matter of luck.
fn cases() -> [Case; 7] {
    let both = &["fused", "plain"][..];
    let fused = &["fused"][..];
    let (fp32, fp16) = ("format = \"fp32\"", "format = \"fp16\"");
    let relaxed =
        "format = \"fp16\", softmax = \"fp16\", pb_relax = { attention = \"head\", norm = true }";
    [
        (
            "deep",
            "layers = 16, hidden_size = 48, ffn_hidden_size = 112, num_heads = 3, seq_len = 56",
            fp32,
            both,
        ),
        (
            "wide",
            "layers = 2, hidden_size = 256, ffn_hidden_size = 512, num_heads = 4, seq_len = 40",
            fp32,
            both,
        ),
        (
            "long",
            "layers = 3, hidden_size = 64, ffn_hidden_size = 96, num_heads = 2, seq_len = 160",
            fp16,
            both,
        ),
        (
            "half",
            "layers = 5, hidden_size = 80, ffn_hidden_size = 200, num_heads = 4, seq_len = 72",
            fp16,
            both,
        ),
        (
            "dropped",
            "layers = 4, hidden_size = 48, ffn_hidden_size = 64, num_heads = 12, seq_len = 256, dropout = 0.1, attention_dropout = 0.1",
            fp32,
            fused,
        ),
        (
            "normed",
            "layers = 8, hidden_size = 64, ffn_hidden_size = 64, num_heads = 4, seq_len = 96, qk_norm = true",
            fp32,
            fused,
        ),
        (
            "relaxed",
            "layers = 3, hidden_size = 64, ffn_hidden_size = 96, num_heads = 2, seq_len = 320, norm = \"sandwich\"",
            relaxed,
            fused,
        ),
    ]
}

#[test]
fn the_estimate_is_within_a_tenth_of_what_is_allocated() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = std::env::temp_dir().join(format!("memory-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("text.txt");
    std::fs::write(&file, text()).unwrap();
    let mut wrong = Vec::new();
    for (name, shape, precision, kernels) in cases() {
        for kernels in kernels {
            let text = format!(
                "steps = 2\nmodel = {{ {shape} }}\nobjective = {{ gmask_ratio = 1.0, min_gmask_ratio = 1.0 }}\n\
             tokenizer = {{ vocab_size = 300 }}\nbatch = {{ micro_batch = 4 }}\n\
             precision = {{ {precision} }}\n\
             runtime = {{ kernels = \"{kernels}\" }}\n\
             [[data.sources]]\npath = {file:?}\nlanguage = \"en\"\nweight = 1\n"
            );
            let config = resolve(toml::from_str(&text).unwrap(), &[], "test").unwrap();
            let found = peak(&config, &directory, &format!("{name}-{kernels}")) as f64;
            let ratio = training_bytes(&config) as f64 / found;
            if !(0.9..1.1).contains(&ratio) {
                wrong.push((name, kernels, ratio, found));
            }
        }
    }
    std::fs::remove_dir_all(directory).unwrap();
    assert!(wrong.is_empty(), "estimate over allocation: {wrong:?}");
}
