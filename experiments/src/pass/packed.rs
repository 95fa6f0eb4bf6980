//! Several runs' passes done as one pass of the graph, and on a device what lies between them too.
//!
//! Every run has a [`PackHandle`], in a thread of its own, and asks for passes and for arithmetic one at a time. A round
//! begins when every run that has not left has asked, so who is packed with whom depends on what the
//! runs ask for and never on how fast their threads are. Where some ask for arithmetic those who ask for passes wait, so that runs whose
//! steps do not take the same way, because one of them makes no update, meet again. Rounds are done by one thread; the others use the device
//! only to read what it has done.

mod arithmetic;

use crate::arithmetic::Arithmetic;
use crate::arithmetic::host::HostArithmetic;
use crate::arithmetic::orders::{Answer, Order};
use crate::data::{Batch, Losses};
use crate::later::Later;
use crate::layers::tap::Tap;
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::pass::graph::Graph;
use crate::pass::{Begun, Engine, Note, Run};
use burn::tensor::backend::AutodiffBackend;
use experiments_config::Config;
use kernels::Kernels;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Runs whose passes are done together.
pub(crate) struct Pack {
    members: Mutex<Members>,
    /// Some member has changed.
    changed: Condvar,
}

struct Members {
    all: Vec<Member>,
    /// Set when nobody does rounds any more.
    closed: bool,
}

/// What a run is doing.
enum Member {
    /// At work between two passes, or waiting for the answer of a round.
    Busy,
    Asked(Asked),
    Left,
}

enum Asked {
    Pass(Box<Request>),
    Order(Box<Ordered>),
}

/// What is done in a round.
enum Round {
    Passes(Vec<Request>),
    Orders(Vec<Ordered>),
}

/// Arithmetic that a run asks for.
struct Ordered {
    /// [`Config::pack_key`] of the run.
    key: Arc<str>,
    /// Elements of the arrays' parameters.
    lens: Vec<usize>,
    order: Order,
    reply: SyncSender<Answer>,
}

impl Ordered {
    /// Whether both can be done at once.
    fn goes_with(&self, other: &Self) -> bool {
        self.order.kind == other.order.kind && self.key == other.key && self.lens == other.lens
    }
}

/// A pass that a run asks for. It owns what it reads, because it crosses to another thread.
struct Request {
    run: OwnedRun,
    wanted: Wanted,
}

struct OwnedRun {
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
    reply: SyncSender<Begun>,
}

/// A run's access to its pack; dropping it leaves the pack.
pub(crate) struct PackHandle {
    pack: Arc<Pack>,
    member: usize,
    key: Arc<str>,
}

/// A run's passes, done together with those of the other runs of its pack.
pub(crate) struct Packed {
    pub(crate) handle: PackHandle,
    /// Whether the runs' arrays stay on the device.
    pub(crate) resident: bool,
    /// For what is asked for once in a run, or a few times.
    pub(crate) alone: Box<dyn Engine>,
}

impl Engine for Packed {
    fn name(&self) -> &'static str {
        self.alone.name()
    }

    fn kernels(&self) -> &str {
        self.alone.kernels()
    }

    /// On the host one tensor holds many runs, and nobody counts whose value was lost.
    fn counts_range(&self) -> bool {
        self.resident && self.alone.counts_range()
    }

    fn arithmetic(&self) -> &dyn Arithmetic {
        if self.resident {
            &self.handle
        } else {
            &HostArithmetic
        }
    }

    fn begin(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> Begun {
        self.handle.train(run, scale, dropout, note)
    }

    fn evaluate(&self, run: Run) -> Losses {
        self.handle.evaluate(run)
    }

    fn logits(&self, run: Run) -> Vec<f32> {
        self.alone.logits(run)
    }

    fn watch(&self, run: Run, tap: Tap) -> Tap {
        self.alone.watch(run, tap)
    }
}

impl Pack {
    /// A pack with a handle for each run. A run that shares its key with nobody may be in it too; its passes
    /// are done by themselves.
    pub(crate) fn new<'a>(runs: impl Iterator<Item = &'a Config>) -> (Arc<Self>, Vec<PackHandle>) {
        let keys: Vec<Arc<str>> = runs.map(|run| run.pack_key().into()).collect();
        let pack = Arc::new(Self {
            members: Mutex::new(Members {
                all: keys.iter().map(|_| Member::Busy).collect(),
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let handle = |(member, key)| PackHandle {
            pack: pack.clone(),
            member,
            key,
        };
        let handles = keys.into_iter().enumerate().map(handle).collect();
        (pack, handles)
    }

    /// Closes the pack at the end of a scope, also when a pass panics: runs that would wait for ever must
    /// hear of it.
    pub(crate) fn closing(&self) -> Closing<'_> {
        Closing(self)
    }

    /// Does rounds until all runs have left.
    pub(crate) fn serve<B>(&self, graph: &Graph<B>)
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        while let Some(round) = self.round() {
            match round {
                Round::Passes(requests) => pass(graph, requests),
                Round::Orders(orders) => execute(graph, orders),
            }
        }
    }

    /// Waits until every run that has not left has asked; what is done now in the order of the runs, nothing when
    /// all have left.
    fn round(&self) -> Option<Round> {
        let mut members = self.lock();
        while members.all.iter().any(|m| matches!(m, Member::Busy)) {
            let waited = self.changed.wait(members);
            members = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let mut orders = Vec::new();
        for member in &mut members.all {
            if matches!(member, Member::Asked(Asked::Order(_)))
                && let Member::Asked(Asked::Order(order)) = std::mem::replace(member, Member::Busy)
            {
                orders.push(*order);
            }
        }
        if !orders.is_empty() {
            return Some(Round::Orders(orders));
        }
        let mut requests = Vec::new();
        for member in &mut members.all {
            if matches!(member, Member::Asked(_))
                && let Member::Asked(Asked::Pass(request)) = std::mem::replace(member, Member::Busy)
            {
                requests.push(*request);
            }
        }
        (!requests.is_empty()).then_some(Round::Passes(requests))
    }

    /// The members are only ever changed in one assignment, so they are whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fails every waiting and future request.
pub(crate) struct Closing<'a>(&'a Pack);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut members = self.0.lock();
        members.closed = true;
        // Dropping a request hangs up on the run that waits for its answer.
        members.all.clear();
    }
}

impl PackHandle {
    /// [`Engine::begin`], together with what the other runs ask for.
    pub(crate) fn train(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> Begun {
        let (reply, answer) = sync_channel(1);
        let wanted = Training {
            scale,
            dropout,
            note,
            reply,
        };
        self.ask_pass(run, Wanted::Train(Box::new(wanted)), &answer)
    }

    /// [`Engine::evaluate`], together with what the other runs ask for.
    pub(crate) fn evaluate(&self, run: Run) -> Losses {
        let (reply, answer) = sync_channel(1);
        self.ask_pass(run, Wanted::Evaluate(reply), &answer)
    }

    /// Arithmetic on arrays of parameters of these lengths, together with what the other runs ask for.
    fn order(&self, lens: &[usize], order: Order) -> Answer {
        let (reply, answer) = sync_channel(1);
        let ordered = Ordered {
            key: self.key.clone(),
            lens: lens.to_vec(),
            order,
            reply,
        };
        self.ask(Asked::Order(Box::new(ordered)), &answer)
    }

    fn ask_pass<T>(&self, run: Run, wanted: Wanted, answer: &Receiver<T>) -> T {
        let run = OwnedRun {
            key: self.key.clone(),
            config: run.config.clone(),
            parameters: run.parameters.clone(),
            batch: run.batch.clone(),
        };
        self.ask(Asked::Pass(Box::new(Request { run, wanted })), answer)
    }

    /// # Panics
    /// If the thread that does the rounds has panicked.
    fn ask<T>(&self, asked: Asked, answer: &Receiver<T>) -> T {
        self.set(Member::Asked(asked));
        answer.recv().expect("the pack's passes go on")
    }

    fn set(&self, member: Member) {
        let mut members = self.pack.lock();
        if !members.closed {
            members.all[self.member] = member;
        }
        drop(members);
        self.pack.changed.notify_all();
    }
}

impl Drop for PackHandle {
    fn drop(&mut self) {
        self.set(Member::Left);
    }
}

/// Passes of a round.
fn pass<B>(graph: &Graph<B>, requests: Vec<Request>)
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let (mut training, mut evaluation) = (Vec::new(), Vec::new());
    for Request { run, wanted } in requests {
        match wanted {
            Wanted::Train(wanted) => Group::join(&mut training, run, *wanted),
            Wanted::Evaluate(reply) => Group::join(&mut evaluation, run, reply),
        }
    }
    for group in training {
        group.train(graph);
    }
    for group in evaluation {
        group.evaluate(graph);
    }
}

/// Arithmetic of a round, what goes together at once.
fn execute<B>(graph: &Graph<B>, orders: Vec<Ordered>)
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    // A run of the host asks for none.
    let Some(desk) = graph.desk() else {
        return;
    };
    let mut groups: Vec<Vec<Ordered>> = Vec::new();
    for own in orders {
        let fits = |group: &&mut Vec<Ordered>| group[0].goes_with(&own);
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(own),
            None => groups.push(vec![own]),
        }
    }
    for group in groups {
        let lens = group[0].lens.clone();
        let (orders, replies): (Vec<_>, Vec<_>) =
            group.into_iter().map(|own| (own.order, own.reply)).unzip();
        for (answer, reply) in desk.execute(&lens, orders).into_iter().zip(replies) {
            // A run waits for its answer, so nobody can have hung up.
            let _ = reply.send(answer);
        }
    }
}

/// Requests of one kind that can share a pass.
struct Group<T> {
    runs: Vec<OwnedRun>,
    wanted: Vec<T>,
}

impl<T> Group<T> {
    /// Adds a request to the group it fits, or to a new one.
    fn join(groups: &mut Vec<Self>, run: OwnedRun, wanted: T) {
        let shape = |run: &OwnedRun| (run.key.clone(), run.batch.samples.len());
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

    /// Calls `f` with what the pass reads. A run that is alone goes the same way as many, so that its numbers do
    /// not depend on who is with it.
    fn pass<R>(runs: &[OwnedRun], f: impl FnOnce(&[Run]) -> R) -> R {
        let config = &runs[0].config;
        // What a device counts goes to the runs' own; what the host counts is nobody's, since it is of all together.
        let precision = Precision::of_runs(&config.precision, config.model.layers, runs.len());
        let views = runs.iter().map(|run| Run {
            config: &run.config,
            precision: &precision,
            parameters: &run.parameters,
            batch: &run.batch,
        });
        f(&views.collect::<Vec<_>>())
    }
}

impl Group<Training> {
    fn train<B>(self, graph: &Graph<B>)
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
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
        let passes = Self::pass(&self.runs, |runs| {
            graph.begin_all(runs, &scales, dropout, note)
        });
        for (mut pass, (reply, note)) in passes.into_iter().zip(replies) {
            let report = pass.report;
            pass.report = Later::new(move || {
                let mut report = report.get();
                report.tap.readings = report.tap.readings.filter(|_| note.probe);
                report
            });
            // As above.
            let _ = reply.send(pass);
        }
    }
}

impl Group<SyncSender<Losses>> {
    fn evaluate<B>(self, graph: &Graph<B>)
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let losses = Self::pass(&self.runs, |runs| graph.evaluate_all(runs));
        for (losses, reply) in losses.into_iter().zip(self.wanted) {
            // As above.
            let _ = reply.send(losses);
        }
    }
}

#[cfg(test)]
mod tests;
