//! The trainer's own steps without a run: to be timed, or to be compared between devices.

use super::gradient::accumulate;
use super::step::{Trained, Training, step};
use super::text::Text;
use crate::backend::Work;
use crate::error::TrainError;
use crate::numerics::precision::Precision;
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use experiments_text::Split;
use kernels::Kernels;
use std::time::{Duration, Instant};

/// Steps of a fresh model on real batches, each timed.
pub(crate) struct Stopwatch<'a, F> {
    pub(crate) config: &'a Config,
    pub(crate) text: &'a Text,
    /// Steps before the first that counts.
    pub(crate) warm_up: usize,
    /// Asked after the warm-up, and then again and again, how many steps to take next.
    pub(crate) between: F,
}

/// What a timed step did.
pub(crate) struct Lap {
    pub(crate) time: Duration,
    /// Slots with a target.
    pub(crate) targets: usize,
}

/// What the caller of [`Stopwatch`] does between steps; it may use the device.
pub(crate) trait Between {
    /// `laps` holds the steps since the last call: those of the warm-up at first. Returns the number of
    /// steps to take next, 0 to end.
    fn next<B: Kernels>(&mut self, device: &B::Device, laps: &[Lap]) -> usize;
}

impl<F: Between> Work for Stopwatch<'_, F> {
    type Output = F;

    fn run<B>(mut self, device: &B::Device) -> Result<F, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let config = self.config;
        let precision = Precision::new(&config.precision, config.model.layers);
        let training = Training::<B>::new(config, self.text, &precision, device, None);
        let sampler = training.sampler(config, Split::Train);
        let mut trained = Trained::fresh(config)?;
        let mut count = self.warm_up;
        while count > 0 {
            let mut laps = Vec::with_capacity(count);
            for _ in 0..count {
                let (first, start) = (trained.state.position, Instant::now());
                step(&training, &mut trained, None);
                let time = start.elapsed();
                // Drawn a second time, outside the measured time: a sequence of a number is always
                // the same.
                let read = first..trained.state.position;
                let targets = read.map(|i| sampler.sample(i).0.target_count()).sum();
                laps.push(Lap { time, targets });
            }
            count = self.between.next::<B::InnerBackend>(device, &laps);
        }
        Ok(self.between)
    }
}

/// Loss and gradients of the first step, without loss scale.
pub(crate) struct FirstGradient<'a> {
    pub(crate) config: &'a Config,
    pub(crate) text: &'a Text,
}

impl Work for FirstGradient<'_> {
    /// The loss, and the gradients in the layout of the parameters.
    type Output = (f64, Vec<f32>);

    fn run<B>(self, device: &B::Device) -> Result<Self::Output, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let config = self.config;
        let precision = Precision::new(&config.precision, config.model.layers);
        let training = Training::<B>::new(config, self.text, &precision, device, None);
        let sampler = training.sampler(config, Split::Train);
        let mut trained = Trained::fresh(config)?;
        let setting = training.setting::<B>(config);
        let fetch = |position| sampler.batch(position, config.batch.micro_batch);
        let scale = trained.state.scaler.scale;
        let sum = accumulate(&setting, fetch, &mut trained, false, None);
        let gradients = sum.flat.iter().map(|g| g / scale as f32).collect();
        Ok((sum.losses.all.value().unwrap_or(f64::NAN), gradients))
    }
}
