//! `workbench report`.

use crate::cli::Report;
use crate::failure::Failure;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    if let Some(dir) = &arguments.dir {
        let written = workbench_report::write(dir)?;
        super::print(&format!(
            "{}\n{}\n",
            written.html.display(),
            written.md.display()
        ));
    } else {
        let page = arguments
            .out
            .clone()
            .unwrap_or_else(|| arguments.results.join("cards.html"));
        workbench_report::write_cards(&arguments.results, &arguments.card_folder, &page)?;
        super::print(&format!("{}\n", page.display()));
    }
    Ok(ExitCode::SUCCESS)
}
