//! Writes all exports of a sweep, for `tests/check_exports.py`, and says how long each took:
//!
//!     cargo run --release -p workbench-export --example export -- SWEEP OUT [SIGNALS]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example may panic and print"
)]

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;
use workbench_export::{Signals, Source};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (sweep, out, signals) = match arguments.as_slice() {
        [sweep, out] => (sweep, out, Signals::All),
        [sweep, out, signals] => (sweep, out, signals.parse().unwrap()),
        _ => panic!("expected SWEEP OUT [SIGNALS]"),
    };
    let out = Path::new(out);
    fs::create_dir_all(out).unwrap();
    let mut begun = Instant::now();
    let mut took = |what: &str| {
        println!("{what}: {:.2} s", begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    let source = Source::open(Path::new(sweep), signals).unwrap();
    took("open");
    workbench_export::csv(&source, File::create(out.join("long.csv")).unwrap()).unwrap();
    took("CSV");
    workbench_export::parquet(&source, &out.join("long.parquet")).unwrap();
    took("Parquet");
    workbench_export::tensorboard(&source, &out.join("tb")).unwrap();
    took("TensorBoard");
    workbench_export::wandb(&source, &out.join("wandb")).unwrap();
    took("W&B");
}
