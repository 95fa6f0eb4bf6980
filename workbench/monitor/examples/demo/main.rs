//! Makes a synthetic sweep directory to look at, then shows it: `demo DIR [SEEDS] [STEPS] [grid] [live|snapshot]`. A
//! directory that is there already is only shown.
//!
//! With `live`, threads keep writing; without, two thirds of the runs are finished and the others stand still.
//! With `grid`, it has twenty arms, four numbers of heads by five learning rates. With `snapshot`, one screen is printed as text.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use sweep::{Result, create, grid_card, norms_card, write};
use sweeps::Sweep;
use synthetic::Signals;
use workbench_monitor::Options;

mod sweep;
mod synthetic;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let directory = PathBuf::from(
        arguments
            .first()
            .ok_or("usage: demo DIR [SEEDS] [STEPS] [grid] [live|snapshot]")?,
    );
    let number = |index: usize, otherwise: u64| {
        arguments
            .get(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or(otherwise)
    };
    let mode = arguments.last().map_or("", String::as_str);
    if !directory.exists() {
        let steps = number(2, 150);
        let grid = arguments.iter().any(|word| word == "grid");
        let card = if grid { grid_card } else { norms_card };
        let sweep = create(&directory, &card(number(1, 6), steps))?;
        fill(&sweep, steps, mode == "live")?;
    }
    if mode == "snapshot" {
        let text = workbench_monitor::snapshot(&directory, Options::default(), (160, 45))?;
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        workbench_monitor::run(&directory, Options::default())?;
    }
    Ok(())
}

fn fill(sweep: &Sweep, steps: u64, live: bool) -> Result<()> {
    let runs = sweep.runs().to_vec();
    for (index, run) in runs.iter().enumerate() {
        if live && index >= runs.len() / 3 {
            break;
        }
        let share = if index < runs.len() * 2 / 3 {
            1.0
        } else {
            0.1 * (index % 10) as f64
        };
        let steps = (steps as f64 * share) as u64;
        write(sweep, run, steps, Signals::Shown, Duration::ZERO)?;
    }
    if live {
        for half in 0..2 {
            let (sweep, runs) = (sweep.clone(), runs.clone());
            std::thread::spawn(move || {
                for run in runs
                    .iter()
                    .skip(runs.len() / 3)
                    .filter(|run| run.seed % 2 == half)
                {
                    // A demonstration has nobody to report to but the screen, which shows the run as it stands.
                    let pause = Duration::from_millis(60);
                    let _ = write(&sweep, run, run.steps, Signals::Shown, pause);
                }
            });
        }
    }
    Ok(())
}
