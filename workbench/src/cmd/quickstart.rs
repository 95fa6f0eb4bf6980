//! `workbench quickstart`: the main job, end to end.

mod why;

use super::sweep::{Lines, create, execute, executor, exit_code};
use crate::cli::Quickstart;
use crate::console::{self, say};
use crate::failure::Failure;
use crate::signals::Stop;
use experiments_text::Cache;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use sweeps::{Card, LocalExecutor, Sweep, Tally, Verdict};
use workbench_monitor::Exit;

/// Where the sweep goes, unless said otherwise.
const OUT: &str = "sweeps-out/quickstart";
/// The card, compiled in so that it needs no file.
const CARD: &str = include_str!("../../../experiments/cards/quickstart.toml");

pub(crate) fn run(arguments: &Quickstart, cache: &Cache) -> Result<ExitCode, Failure> {
    if arguments.why {
        return why::run(arguments, cache);
    }
    let start = Instant::now();
    let card = Card::parse(CARD, "the quickstart card", Path::new("."))?;
    let out = arguments.out.as_deref().unwrap_or(Path::new(OUT));
    let sweep = create(&card, CARD, out, &arguments.set, cache, true)?;
    let stop = Stop::listen()?;
    let executor = executor(&arguments.execution, cache, &sweep.plan().missing_languages)?;
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let (tally, verdict) = if terminal && !arguments.no_monitor {
        watch(&sweep, &executor, &stop)?
    } else {
        execute(&sweep, &executor, stop.flag(), &mut Lines::default())?
    };
    // Before the report, which needs space on the disk.
    console::print(&super::verdict::text(&verdict))?;
    let written = workbench_report::write(sweep.dir())?;
    let dir = sweep.dir().display();
    console::print(&format!(
        "report:  {}\nmonitor: workbench monitor {dir}\ntime:    {}\n",
        written.html.display(),
        words::duration(start.elapsed().as_secs_f64())
    ))?;
    if !tally.is_complete() {
        console::print("not all runs are finished; the same command continues\n")?;
    }
    Ok(exit_code(tally))
}

/// The sweep in a thread of its own, the monitor in front; leaving the monitor leaves the sweep
/// at work and goes on with progress lines. A signal that stops the sweep also gives the terminal back.
fn watch(
    sweep: &Sweep,
    executor: &LocalExecutor,
    stop: &Stop,
) -> Result<(Tally, Verdict), Failure> {
    let close = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hidden = Arc::new(AtomicBool::new(true));
        let work = scope.spawn({
            let hidden = hidden.clone();
            let close = &close;
            move || {
                let result = execute(sweep, executor, stop.flag(), &mut Lines::unless(hidden));
                close.store(true, Ordering::Relaxed);
                result
            }
        });
        let shown = workbench_monitor::run_with(sweep.dir(), Default::default(), &|| {
            close.load(Ordering::Relaxed) || stop.is_set()
        });
        hidden.store(false, Ordering::Relaxed);
        match shown {
            Ok(Exit::Left) => say("the sweep goes on; Ctrl-C stops it"),
            Ok(Exit::Interrupted) => {
                say("stopping after checkpoints");
                stop.interrupt();
            }
            Ok(Exit::Stopped) if stop.is_set() => say("stopping after checkpoints"),
            Ok(Exit::Stopped) => {}
            Err(error) => say(&format!("the monitor ended ({error}); the sweep goes on")),
        }
        // A panic of the worker is a bug of ours; it is shown, not swallowed.
        work.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
