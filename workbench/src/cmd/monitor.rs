//! `workbench monitor`.

use crate::cli::{Monitor, TabName};
use crate::console;
use crate::failure::{Failure, exit};
use std::io::IsTerminal;
use std::process::ExitCode;
use workbench_monitor::{Exit, Tab};

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
    Ok(match workbench_monitor::run(&arguments.dir, options)? {
        Exit::Interrupted => ExitCode::from(exit::STOPPED),
        Exit::Left | Exit::Stopped => ExitCode::SUCCESS,
    })
}
