//! Time from the command to the first screen, and of the screens after it: `scale DIR`. A sweep to measure on is made by
//! `demo DIR SEEDS STEPS grid snapshot`.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use workbench_monitor::{Options, timed};

fn main() -> Result<(), Box<dyn Error>> {
    let directory: PathBuf = std::env::args_os().nth(1).ok_or("usage: scale DIR")?.into();
    let begun = Instant::now();
    let times = timed(&directory, Options::default(), (160, 45), 20)?;
    let whole = begun.elapsed().as_secs_f64();
    let line = format!(
        "open {:.3} s, first screen {:.4} s, next key {:.4} s (median of 20), a look at the files {:.4} s; {whole:.2} s in all\n",
        times.open, times.first, times.next, times.poll
    );
    std::io::stdout().write_all(line.as_bytes())?;
    Ok(())
}
