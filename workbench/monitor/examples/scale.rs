//! Measures the monitor on large directories, and makes them.
//!
//!     scale DIR                     time to the first screen, of the screens after it, and memory
//!     scale DIR tab NAME            the same of a tab
//!     scale DIR sweep SEEDS STEPS   first makes a sweep of 20 arms with all signals of 24 layers: `50 1000` for a thousand runs
//!     scale DIR run STEPS           first makes a run of so many steps, without layers
//!     scale DIR live STEPS RATE     makes a run of so many steps, then writes so many a second, until it is ended, for a monitor
//!                                   beside it

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use logs::read::Indexer;
use logs::{Event, EventKind, RunWriter, Status, Summary};
use made::{Result, create, grid_card};
use synthetic::Signals;
use workbench_monitor::{Options, Tab, timed};

#[path = "demo/sweep.rs"]
#[expect(dead_code, reason = "shared with another example")]
mod made;
#[path = "demo/synthetic.rs"]
mod synthetic;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: scale DIR [tab NAME | sweep SEEDS STEPS | run STEPS | live STEPS RATE]";
    let directory: PathBuf = arguments.first().ok_or(usage)?.into();
    let number = |at: usize| -> Result<u64> { Ok(arguments.get(at).ok_or(usage)?.parse()?) };
    let mut options = Options::default();
    match arguments.get(1).map(String::as_str) {
        None => {}
        Some("tab") => {
            let name = arguments.get(2).ok_or(usage)?;
            options.tab = Tab::named(name).ok_or(usage)?;
        }
        Some("sweep") => sweep(&directory, number(2)?, number(3)?)?,
        Some("run") => run(&directory, number(2)?)?,
        Some("live") => return live(&directory, number(2)?, number(3)?),
        Some(_) => return Err(usage.into()),
    }
    let begun = Instant::now();
    let times = timed(&directory, options, (160, 45), 20)?;
    let whole = begun.elapsed().as_secs_f64();
    let line = format!(
        "open {:.3} s, first screen {:.4} s, next key {:.4} s (median of 20), a look at the files {:.4} s; {whole:.2} s in all, {} MB at most\n",
        times.open,
        times.first,
        times.next,
        times.poll,
        memory()
    );
    std::io::stdout().write_all(line.as_bytes())?;
    Ok(())
}

/// Largest resident memory so far, 10^6 bytes, where the system says.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or("?".to_owned(), |kib| (kib * 1024 / 1_000_000).to_string())
}

fn sweep(directory: &Path, seeds: u64, steps: u64) -> Result<()> {
    let sweep = create(directory, &grid_card(seeds, steps))?;
    for run in sweep.runs() {
        made::write(&sweep, run, steps, Signals::All, Duration::ZERO)?;
    }
    Ok(())
}

fn run(directory: &Path, steps: u64) -> Result<()> {
    let mut writer = RunWriter::open(directory)?;
    let mut index = Indexer::new(directory);
    let start = Event::now(0, EventKind::Start, "fresh start, 1 thread");
    writer.event(&logs::alarm::watched_by(start, &["robust-loss"]))?;
    for step in 1..=steps {
        let mut record = synthetic::record((1, 2), step, steps, Signals::Shown);
        record.layers.clear();
        writer.step(&record)?;
        index.recorded();
    }
    let summary = Summary::new(Status::Finished, steps, writer.attempt(), 42.0);
    writer.finish(&summary)?;
    index.end();
    Ok(())
}

/// A run that goes on, with two per-layer signals of 24 layers.
fn live(directory: &Path, steps: u64, rate: u64) -> Result<()> {
    const PLANNED: u64 = 1_000_000;
    let mut writer = RunWriter::open(directory)?;
    let mut index = Indexer::new(directory);
    let start = Event::now(0, EventKind::Start, "fresh start, 1 thread");
    writer.event(&logs::alarm::watched_by(start, &["robust-loss"]))?;
    let pause = Duration::from_secs(1) / u32::try_from(rate.max(1))?;
    let mut due = Instant::now();
    for step in 1..=PLANNED {
        writer.step(&synthetic::record((1, 1), step, PLANNED, Signals::Shown))?;
        index.recorded();
        if step > steps {
            due += pause;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        } else {
            due = Instant::now();
        }
    }
    Ok(())
}
