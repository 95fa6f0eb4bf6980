//! `workbench monitor`.

use crate::cli::Monitor;
use crate::console;
use crate::failure::{Failure, exit};
use crate::signals::leave_flag;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use workbench_monitor::{Exit, MonitorError};

pub(crate) fn run(arguments: &Monitor) -> Result<ExitCode, Failure> {
    let options = workbench_monitor::Options {
        tab: arguments.tab,
        beside: &arguments.more,
        forks: &arguments.fork,
        commands: &arguments.commands,
        settings: arguments.settings.as_deref(),
        ..Default::default()
    };
    if arguments.snapshot {
        let text = workbench_monitor::snapshot(&arguments.dir, options, arguments.size)?;
        console::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "the monitor needs a terminal; `--snapshot` prints one screen without one",
        ));
    }
    let stop = leave_flag(exit::STOPPED, workbench_monitor::restore)?;
    let stopped = || stop.load(Ordering::Relaxed);
    match workbench_monitor::run_with(&arguments.dir, options, &stopped) {
        Ok(Exit::Left) => Ok(ExitCode::SUCCESS),
        Ok(Exit::Interrupted | Exit::Stopped) => Ok(ExitCode::from(exit::STOPPED)),
        // The terminal was closed: there is nobody to complain to.
        Err(MonitorError::Terminal(_)) if stopped() => Ok(ExitCode::from(exit::STOPPED)),
        Err(error) => Err(error.into()),
    }
}
