//! One step of a run again, with everything that enters and leaves it.

use super::identity::{check_memory, check_same};
use super::step::{Trained, Training, step};
use super::text::Text;
use crate::backend::{Device, Work};
use crate::error::TrainError;
use crate::files::checkpoint::Checkpoints;
use crate::files::parity::ParityFile;
use crate::numerics::precision::Precision;
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use experiments_text::Cache;
use kernels::Kernels;
use logs::{Manifest, Record};
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
pub fn parity(repeat: Repeat, out: &Path) -> Result<(), TrainError> {
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
    let device = Device::select(&repeat.config.runtime.device)?;
    check_memory(repeat.config)?;
    let text = Text::prepare(repeat.config, repeat.cache)?;
    if let Some(manifest) = Manifest::load(repeat.directory)? {
        check_same(repeat.directory, repeat.config, &text, &manifest, device)?;
    }
    let file = device.run(Parity { repeat, text })?;
    file.write(out)
}

struct Parity<'a> {
    repeat: Repeat<'a>,
    text: Text,
}

impl Work for Parity<'_> {
    type Output = ParityFile;

    fn run<B>(self, device: &B::Device) -> Result<ParityFile, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let Self { repeat, text } = self;
        let config = repeat.config;
        let precision = Precision::new(&config.precision, config.model.layers);
        let training = Training::<B>::new(config, &text, &precision, device, None);
        let checkpoints = Checkpoints::new(repeat.directory, config);
        let before = repeat.step - 1;
        let (mut trained, _) = Trained::load(config, &checkpoints, before)?;
        while trained.state.step < before {
            let (record, _) = step(&training, &mut trained, None);
            (repeat.on_step)(&record);
        }
        let mut file = ParityFile::new(&config.at(trained.state.progress()), repeat.step);
        let (record, _) = step(&training, &mut trained, Some(&mut file));
        (repeat.on_step)(&record);
        Ok(file)
    }
}
