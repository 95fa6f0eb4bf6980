//! Several runs in one process, their passes packed.

use super::memory::check_pack_memory;
use super::request::{Ending, Request, Shared};
use super::session::train_in;
use super::text::Texts;
use crate::backend::{Device, Work, unless_a_device_fails};
use crate::error::TrainError;
use crate::pass::graph::Graph;
use crate::pass::packed::Pack;
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use experiments_text::Cache;
use kernels::Kernels;
use logs::{News, Record};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread;

/// One run of a pack.
pub struct Member {
    /// Run directory; continued if it holds a checkpoint.
    pub directory: PathBuf,
    /// Resolved configuration.
    pub config: Config,
}

/// Runs to train at once; the rest as in [`Request`].
pub struct PackRequest<'a> {
    /// The runs. Those with the same [`Config::pack_key`] share their passes.
    pub members: &'a [Member],
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Version of the program, its commit and whether the tree was changed.
    pub program: (&'a str, Option<&'a str>, Option<bool>),
    /// Languages the corpus was meant to have and lacks.
    pub missing_languages: &'a [String],
    /// Set from outside to stop every run after its current step.
    pub stop: &'a AtomicBool,
    /// Called with the position of a run and each of its records, from the run's own thread.
    pub on_step: &'a (dyn Fn(usize, &Record) + Sync),
    /// Called with the position of a run and what its detectors see.
    pub on_alarm: &'a (dyn Fn(usize, &News) + Sync),
    /// Called with the position of a run and what its user should know.
    pub on_notice: &'a (dyn Fn(usize, &str) + Sync),
}

/// Trains all runs to their ends, each in its own directory with its own state, as [`crate::train`] does
/// with one. How one run ends is nothing to the others. The results are in the order of the members;
/// an error of the whole means that none was begun.
///
/// A run's numbers are those it has alone, up to rounding where the backend sums a larger product in
/// another order; its range losses of activations are not counted.
pub fn train_pack(request: &PackRequest) -> Result<Vec<Result<Ending, TrainError>>, TrainError> {
    let configs: Vec<_> = request.members.iter().map(|m| &m.config).collect();
    let Some(first) = configs.first() else {
        return Ok(Vec::new());
    };
    let name = |config: &Config| config.runtime.device;
    if let Some(other) = configs.iter().find(|other| name(other) != name(first)) {
        return Err(TrainError::PackDevice {
            one: name(first),
            other: name(other),
        });
    }
    let device = Device::select(first.runtime.device)?;
    check_pack_memory(&configs)?;
    let (pack, handles) = Pack::new(configs.into_iter());
    let texts = Texts::default();
    thread::scope(|scope| {
        let _closing = pack.closing();
        let members = request.members.iter().zip(handles).enumerate();
        let threads: Vec<_> = members
            .map(|(index, (member, handle))| {
                let texts = &texts;
                scope.spawn(move || {
                    let shared = Shared {
                        pack: handle,
                        texts,
                    };
                    let own = Request {
                        directory: &member.directory,
                        config: &member.config,
                        cache: request.cache,
                        program: request.program,
                        missing_languages: request.missing_languages,
                        stop: request.stop,
                        on_step: &mut |record| (request.on_step)(index, record),
                        on_alarm: &mut |news| (request.on_alarm)(index, news),
                        on_notice: &mut |text| (request.on_notice)(index, text),
                    };
                    train_in(own, Some(shared), None)
                })
            })
            .collect();
        let serve = || {
            device.run(Service {
                pack: &pack,
                backend: device.kernels(),
                resident: device != Device::CPU,
            })
        };
        unless_a_device_fails(serve).flatten()?;
        let ends = threads.into_iter();
        Ok(ends
            .map(|run| run.join().unwrap_or(Err(TrainError::BrokeOff)))
            .collect())
    })
}

/// The pack's passes, on this thread.
pub(super) struct Service<'a> {
    pub(super) pack: &'a Pack,
    pub(super) backend: String,
    /// Whether the runs' arrays stay on the device.
    pub(super) resident: bool,
}

impl Work for Service<'_> {
    type Output = ();

    fn run<B>(self, device: &B::Device) -> Result<(), TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let graph = Graph::<B>::new(device.clone(), self.backend, self.resident);
        self.pack.serve(&graph);
        Ok(())
    }
}
