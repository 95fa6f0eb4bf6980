//! Arguments of `workbench monitor`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use std::path::PathBuf;
use workbench_monitor::Tab;

#[derive(Debug, Args)]
pub(crate) struct Monitor {
    /// Sweep directory or run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Further ones, which are shown in the same screens.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) more: Vec<PathBuf>,
    /// Show this fork of a run as a branch of it; again for further ones. Twins of replays are shown without being named.
    #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub(crate) fork: Vec<PathBuf>,
    /// Print one screen as text and leave.
    #[arg(long)]
    pub(crate) snapshot: bool,
    /// Size of the snapshot in cells.
    #[arg(long, default_value = "120x40", value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub(crate) size: (u16, u16),
    /// Tab to show.
    #[arg(long, default_value = Tab::OVERVIEW.name(), value_parser = tab())]
    pub(crate) tab: Tab,
    /// Do this first, as if it were typed behind `:` in the monitor, for example `filter lr=0.01`; again for further commands.
    #[arg(long = "do", value_name = "COMMAND")]
    pub(crate) commands: Vec<String>,
    /// Keys and colours of your own [default: `workbench/monitor.toml` in `$XDG_CONFIG_HOME` or `~/.config`, if it is there].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) settings: Option<PathBuf>,
}

/// The monitor's tabs by their names, with what each shows.
fn tab() -> impl TypedValueParser<Value = Tab> {
    let name = |tab: Tab| PossibleValue::new(tab.name()).help(tab.about());
    PossibleValuesParser::new(Tab::all().map(name))
        .try_map(|name| Tab::named(&name).ok_or("there is no such tab"))
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = || {
        let (width, height) = text.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    parse().ok_or_else(|| format!("`{text}` is not a size like 120x40"))
}
