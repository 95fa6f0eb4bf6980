//! `workbench monitor`.

use crate::cli::{Monitor, TabName};
use crate::console;
use crate::failure::{Failure, exit};
use crate::signals::leave_flag;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use workbench_monitor::{Exit, MonitorError, Tab};

pub(crate) fn run(arguments: &Monitor) -> Result<ExitCode, Failure> {
    let tab = match arguments.tab {
        TabName::Overview => Tab::Overview,
        TabName::Runs => Tab::Runs,
        TabName::Curves => Tab::Curves,
        TabName::Layers => Tab::Layers,
        TabName::Alarms => Tab::Alarms,
    };
    if arguments.snapshot {
        let (width, height) = arguments.size;
        console::print(&workbench_monitor::snapshot_of(
            &arguments.dir,
            tab,
            width,
            height,
        )?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "the monitor needs a terminal; `--snapshot` prints one screen without one",
        ));
    }
    let options = workbench_monitor::Options {
        tab: Some(tab),
        ..Default::default()
    };
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
