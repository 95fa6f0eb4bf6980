//! Writes a sweep of twenty arms that no training made, and its report: for pictures, and to measure how long large sweeps take.
//!
//!     cargo run --release -p workbench-report --example synthetic -- DIR [SEEDS STEPS]
//!
//! Five seeds of 200 steps without the numbers; `50 1000` makes a thousand runs of a thousand steps.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example may panic and print"
)]

#[path = "../tests/report/synthetic.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod synthetic;

use std::path::Path;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(arguments.first().expect("a directory"));
    let number = |place: usize, default: u64| {
        arguments
            .get(place)
            .map_or(default, |text| text.parse().unwrap())
    };
    if !dir.exists() {
        synthetic::many(dir, number(1, 5), number(2, 200));
    }
    let start = Instant::now();
    let written = workbench_report::write(dir).unwrap();
    println!(
        "{} after {:.2} s",
        written.html.display(),
        start.elapsed().as_secs_f64()
    );
}
