//! One step of a run again, with everything that enters and leaves it.

use super::alarms::Alarms;
use super::course::{Turn, changes, went_back};
use super::identity::check_same;
use super::layouts::{Again, Layouts};
use super::memory::check_memory;
use super::text::Text;
use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::Checkpoints;
use crate::files::parity::ParityFile;
use crate::state::Trained;
use experiments_config::Config;
use experiments_text::Cache;
use logs::{Manifest, Record, RunReader};
use std::path::Path;

/// Which step of which run.
pub struct Repeat<'a> {
    /// Run directory; only read.
    pub directory: &'a Path,
    /// Its configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// The step, from 1.
    pub step: u64,
    /// Called with every record, the asked-for step's too.
    pub on_step: &'a mut dyn FnMut(&Record),
}

/// Goes from the nearest checkpoint (or from the start) to the step before `repeat.step`, takes that
/// step, and writes everything that enters and leaves it to `out`. Same backend, same bits as in
/// the run.
pub fn parity(mut repeat: Repeat, out: &Path) -> Result<(), TrainError> {
    let problem = |problem: String| TrainError::Parity {
        path: out.to_owned(),
        problem,
    };
    let (step, last) = (repeat.step, repeat.config.steps);
    if step == 0 || step > last {
        return Err(problem(format!(
            "step {step} is not one of the run's steps 1 to {last}"
        )));
    }
    let folder = out.parent().filter(|folder| *folder != Path::new(""));
    if out.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(problem(
            "expected a file in a folder that exists".to_owned(),
        ));
    }
    logs::output::check(out)?;
    let device = Device::select(repeat.config.runtime.device)?;
    check_memory(repeat.config)?;
    let text = Text::prepare(repeat.config, repeat.cache)?;
    if let Some(manifest) = Manifest::load(repeat.directory)? {
        check_same(repeat.directory, repeat.config, &text, &manifest, device)?;
    }
    let file = take_again(&mut repeat, &text, device)?;
    file.write(out)
}

fn take_again(repeat: &mut Repeat, text: &Text, device: Device) -> Result<ParityFile, TrainError> {
    let config = repeat.config;
    let changes = changes(config)?;
    let reader = RunReader::open(repeat.directory)?;
    let again = Again {
        config,
        changes: &changes,
        text,
        device,
        layouts: &Layouts::of(repeat.directory, config, reader.events())?,
    };
    let checkpoints = Checkpoints::new(repeat.directory, config);
    let before = repeat.step - 1;
    let (mut trained, _) = Trained::load(config, &checkpoints, before)?;
    let (mut alarms, _) = Alarms::begin(repeat.directory, config, &mut trained.state)?;
    again.forward(&mut trained, before, |course, trained, end| {
        while trained.state.step < end {
            let (record, turn) = course.again(trained, &mut alarms);
            if let Turn::Back(_) = turn {
                return Err(went_back(repeat.directory, record.step, repeat.step));
            }
            (repeat.on_step)(&record);
        }
        Ok(true)
    })?;
    // What enters and leaves the step is at hand in one process only.
    let course = again.alone()?;
    let config = course.training(&trained.state).config;
    let mut file = ParityFile::new(&config.at(trained.state.progress()), repeat.step);
    let (record, _) = course.step(&mut trained, Some(&mut file));
    (repeat.on_step)(&record);
    Ok(file)
}
