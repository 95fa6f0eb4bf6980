//! Several runs' passes done as one.
//!
//! Every run sits in a [`Seat`], in a thread of its own, and asks for passes one at a time. A round
//! begins when every run that has not left has asked, so who is packed with whom depends on what the
//! runs ask for and never on how fast their threads are. Rounds are done by one thread, the only one
//! that uses the device.

use crate::data::{Batch, Losses};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::{Note, Run, Setting, TrainPass, evaluate_packed, train_packed};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use kernels::Kernels;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where runs meet.
pub(crate) struct Pack {
    table: Mutex<Table>,
    /// Something at the table has changed.
    changed: Condvar,
}

struct Table {
    places: Vec<Place>,
    /// Set when nobody serves any more.
    closed: bool,
}

enum Place {
    /// At work between two passes, or waiting for the answer of a round.
    Busy,
    Asked(Box<Job>),
    Left,
}

/// What a run asks for. It owns what it brings, because it crosses to another thread.
struct Job {
    brought: Brought,
    wanted: Wanted,
}

struct Brought {
    /// [`Config::pack_key`] of the run.
    key: Arc<str>,
    config: Config,
    parameters: Parameters,
    batch: Batch,
}

enum Wanted {
    Train(Box<Training>),
    Evaluate(SyncSender<Losses>),
}

struct Training {
    scale: f64,
    dropout: Dropout,
    note: Note,
    reply: SyncSender<TrainPass>,
}

/// A run's place; dropping it leaves the pack.
pub(crate) struct Seat {
    pack: Arc<Pack>,
    place: usize,
    key: Arc<str>,
}

impl Pack {
    /// A pack with a seat for each run. A run that shares its key with nobody may sit here too; its passes
    /// are done by themselves.
    pub(crate) fn new<'a>(runs: impl Iterator<Item = &'a Config>) -> (Arc<Self>, Vec<Seat>) {
        let keys: Vec<Arc<str>> = runs.map(|run| run.pack_key().into()).collect();
        let pack = Arc::new(Self {
            table: Mutex::new(Table {
                places: keys.iter().map(|_| Place::Busy).collect(),
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let seat = |(place, key)| Seat {
            pack: pack.clone(),
            place,
            key,
        };
        let seats = keys.into_iter().enumerate().map(seat).collect();
        (pack, seats)
    }

    /// Closes the pack at the end of a scope, also when a pass panics: runs that would wait for ever must
    /// hear of it.
    pub(crate) fn closing(&self) -> Closing<'_> {
        Closing(self)
    }

    /// Does rounds until all runs have left.
    pub(crate) fn serve<B>(&self, device: &B::Device)
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        while let Some(jobs) = self.round() {
            let (mut training, mut evaluation) = (Vec::new(), Vec::new());
            for job in jobs {
                match job.wanted {
                    Wanted::Train(wanted) => Group::join(&mut training, job.brought, *wanted),
                    Wanted::Evaluate(reply) => Group::join(&mut evaluation, job.brought, reply),
                }
            }
            for group in training {
                group.train::<B>(device);
            }
            for group in evaluation {
                group.evaluate::<B>(device);
            }
        }
    }

    /// Waits until every run that is left has asked; the jobs in the order of the seats, none when all
    /// have left.
    fn round(&self) -> Option<Vec<Job>> {
        let mut table = self.lock();
        while table.places.iter().any(|p| matches!(p, Place::Busy)) {
            let waited = self.changed.wait(table);
            table = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let mut jobs = Vec::new();
        for place in &mut table.places {
            if matches!(place, Place::Asked(_))
                && let Place::Asked(job) = std::mem::replace(place, Place::Busy)
            {
                jobs.push(*job);
            }
        }
        (!jobs.is_empty()).then_some(jobs)
    }

    /// The table is only ever changed in one assignment, so it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends everyone away who waits or comes to wait.
pub(crate) struct Closing<'a>(&'a Pack);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut table = self.0.lock();
        table.closed = true;
        // Dropping a job hangs up on the run that waits for its answer.
        table.places.clear();
    }
}

impl Seat {
    /// [`crate::pass::train`], together with what the other runs ask for.
    pub(crate) fn train(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> TrainPass {
        let (reply, answer) = sync_channel(1);
        let wanted = Training {
            scale,
            dropout,
            note,
            reply,
        };
        self.ask(run, Wanted::Train(Box::new(wanted)), &answer)
    }

    /// [`crate::pass::evaluate`], together with what the other runs ask for.
    pub(crate) fn evaluate(&self, run: Run) -> Losses {
        let (reply, answer) = sync_channel(1);
        self.ask(run, Wanted::Evaluate(reply), &answer)
    }

    /// # Panics
    /// If the thread that does the rounds has panicked.
    fn ask<T>(&self, run: Run, wanted: Wanted, answer: &Receiver<T>) -> T {
        let brought = Brought {
            key: self.key.clone(),
            config: run.config.clone(),
            parameters: run.parameters.clone(),
            batch: run.batch.clone(),
        };
        self.take(Place::Asked(Box::new(Job { brought, wanted })));
        answer.recv().expect("the pack's passes go on")
    }

    fn take(&self, place: Place) {
        let mut table = self.pack.lock();
        if !table.closed {
            table.places[self.place] = place;
        }
        drop(table);
        self.pack.changed.notify_all();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.take(Place::Left);
    }
}

/// Jobs of one kind that can share a pass.
struct Group<T> {
    runs: Vec<Brought>,
    wanted: Vec<T>,
}

impl<T> Group<T> {
    /// Adds a job to the group it fits, or to a new one.
    fn join(groups: &mut Vec<Self>, run: Brought, wanted: T) {
        let shape = |run: &Brought| (run.key.clone(), run.batch.samples.len());
        let fits = |group: &&mut Self| shape(&group.runs[0]) == shape(&run);
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.runs.push(run);
                group.wanted.push(wanted);
            }
            None => groups.push(Self {
                runs: vec![run],
                wanted: vec![wanted],
            }),
        }
    }

    /// What the pass needs. A run that is alone goes the same way as many, so that its numbers do not
    /// depend on who is with it.
    fn pass<R>(runs: &[Brought], f: impl FnOnce(&Config, &Precision, &[Run]) -> R) -> R {
        let config = &runs[0].config;
        // Its counts are nobody's: they would be of all runs together.
        let precision = Precision::new(&config.precision, config.model.layers);
        let views: Vec<Run> = runs.iter().map(Brought::view).collect();
        f(config, &precision, &views)
    }
}

impl Brought {
    fn view(&self) -> Run<'_> {
        Run {
            config: &self.config,
            parameters: &self.parameters,
            batch: &self.batch,
        }
    }
}

impl Group<Training> {
    fn train<B: AutodiffBackend + Kernels>(self, device: &B::Device) {
        let note = Note {
            probe: self.wanted.iter().any(|wanted| wanted.note.probe),
            capture: false,
        };
        let scales: Vec<_> = self.wanted.iter().map(|wanted| wanted.scale).collect();
        let (mut dropout, mut replies) = (Vec::new(), Vec::new());
        for wanted in self.wanted {
            dropout.push(wanted.dropout);
            replies.push((wanted.reply, wanted.note));
        }
        let passes = Self::pass(&self.runs, |config, precision, runs| {
            let setting = Setting::<B> {
                config,
                precision,
                device,
                seat: None,
            };
            train_packed(&setting, runs, &scales, dropout, note)
        });
        for (mut pass, (reply, note)) in passes.into_iter().zip(replies) {
            pass.tap.readings = pass.tap.readings.filter(|_| note.probe);
            // A run waits for its answer, so nobody can have hung up.
            let _ = reply.send(pass);
        }
    }
}

impl Group<SyncSender<Losses>> {
    fn evaluate<B>(self, device: &B::Device)
    where
        B: AutodiffBackend,
        B::InnerBackend: Kernels,
    {
        let losses = Self::pass(&self.runs, |config, precision, runs| {
            let setting = Setting::<B::InnerBackend> {
                config,
                precision,
                device,
                seat: None,
            };
            evaluate_packed(&setting, runs)
        });
        for (losses, reply) in losses.into_iter().zip(self.wanted) {
            // As above.
            let _ = reply.send(losses);
        }
    }
}

#[cfg(test)]
mod tests;
