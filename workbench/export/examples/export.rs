//! Writes all exports of a sweep, for `tests/check_exports.py`:
//!
//!     cargo run --release -p workbench-export --example export -- SWEEP OUT
#![expect(clippy::unwrap_used, reason = "an example may panic")]

use std::fs::{self, File};
use std::path::Path;
use workbench_export::Source;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sweep, out] = arguments.as_slice() else {
        panic!("expected SWEEP OUT");
    };
    let (source, out) = (Source::open(Path::new(sweep)).unwrap(), Path::new(out));
    fs::create_dir_all(out).unwrap();
    workbench_export::csv(&source, File::create(out.join("long.csv")).unwrap()).unwrap();
    workbench_export::parquet(&source, &out.join("long.parquet")).unwrap();
    workbench_export::tensorboard(&source, &out.join("tb")).unwrap();
    workbench_export::wandb(&source, &out.join("wandb")).unwrap();
}
