//! The trainer's own steps without a run: to be timed, or to be compared between devices.

use super::gradient::accumulate;
use super::step::step;
use super::text::Text;
use super::training::Training;
use crate::backend::Device;
use crate::error::TrainError;
use crate::state::Trained;
use experiments_config::Config;
use experiments_text::Split;
use kernels::bus::{self, Moved};
use std::time::{Duration, Instant};

/// What a timed step did.
pub(crate) struct Lap {
    pub(crate) time: Duration,
    /// Slots with a target.
    pub(crate) targets: usize,
    /// What crossed the bus.
    pub(crate) moved: Moved,
}

/// Steps of a fresh model on real batches, each timed: `warm_up` before the first that counts, then as many as
/// `between` wants, until it wants none. It is given the steps since its last call, those of the warm-up at
/// first, and may use the device.
pub(crate) fn time_steps(
    config: &Config,
    text: &Text,
    device: Device,
    warm_up: usize,
    mut between: impl FnMut(&[Lap]) -> Result<usize, TrainError>,
) -> Result<(), TrainError> {
    let training = Training::new(config, text, device.engine(config, None)?);
    let sampler = training.sampler(config, Split::Train);
    let mut trained = Trained::fresh(config)?;
    let mut count = warm_up;
    while count > 0 {
        let mut laps = Vec::with_capacity(count);
        for _ in 0..count {
            let _ = bus::take();
            let (first, start) = (trained.state.position, Instant::now());
            step(&training, &mut trained, None);
            let (time, moved) = (start.elapsed(), bus::take());
            // Drawn a second time, outside the measured time: a sequence of a number is always the same.
            let read = first.0..trained.state.position.0;
            let targets = read.map(|i| sampler.sample(i).0.target_count()).sum();
            laps.push(Lap {
                time,
                targets,
                moved,
            });
        }
        count = between(&laps)?;
    }
    Ok(())
}

/// Loss and gradients, in the layout of the parameters, of the first step, without loss scale.
pub(crate) fn first_gradient(
    config: &Config,
    text: &Text,
    device: Device,
) -> Result<(f64, Vec<f32>), TrainError> {
    let training = Training::new(config, text, device.engine(config, None)?);
    let sampler = training.sampler(config, Split::Train);
    let mut trained = Trained::fresh(config)?;
    let fetch = |position| sampler.batch(position, config.batch.micro_batch);
    let scale = trained.state.scaler.scale;
    let setting = training.setting(config);
    let sum = accumulate(&setting, fetch, &mut trained, false, None).end(setting.precision);
    let gradients = sum.flat.iter().map(|g| g / scale as f32).collect();
    Ok((sum.losses.all.value().unwrap_or(f64::NAN), gradients))
}
