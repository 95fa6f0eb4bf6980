//! A run that several ranks train together: what rank 0 does for the others, and what they do.

use super::course::{Course, changes};
use super::evaluation::evaluate;
use super::identity::weights_hash;
use super::request::{Ending, Request};
use super::session::train_in;
use super::text::{Text, Texts};
use super::training::Training;
use crate::backend::Device;
use crate::error::TrainError;
use crate::parameters::{Parameter, Parameters};
use crate::pass::Engine;
use crate::pass::replica::Replica;
use crate::ranks::{
    Degrees, Moment, Order, Pipeline, Ranks, Sent, Slow, Spread, caught, check_division,
};
use crate::state::Trained;
use experiments_collective::threads;
use experiments_config::{Config, ProbeKind};
use experiments_text::Cache;
use logs::{Event, EventKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

/// What a rank other than the first needs: what the first has in its [`Request`].
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// Resolved configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Version of the program, its commit and whether the tree was changed.
    pub program: (&'a str, Option<&'a str>, Option<bool>),
    /// Set from outside to stop; rank 0 decides where.
    pub stop: &'a AtomicBool,
}

/// What must be the same on all ranks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    program: String,
    configuration: String,
    text: String,
    weights: String,
}

impl Identity {
    fn new(
        program: (&str, Option<&str>, Option<bool>),
        config: &Config,
        text: &Text,
    ) -> Result<Self, TrainError> {
        let (version, commit, dirty) = program;
        let changed = if dirty == Some(true) { ", changed" } else { "" };
        Ok(Self {
            program: format!("{version} {}{changed}", commit.unwrap_or("without commit")),
            configuration: config.hash(),
            text: text.hash(),
            weights: weights_hash(config)?.unwrap_or_default(),
        })
    }

    /// The first thing in which `other`, that of a rank, is another.
    fn differing(&self, rank: usize, other: &Self) -> Result<(), TrainError> {
        let all = [
            ("program version", &self.program, &other.program),
            ("configuration", &self.configuration, &other.configuration),
            ("text", &self.text, &other.text),
            ("file of initial weights", &self.weights, &other.weights),
        ];
        let short = |text: &str| text.chars().take(16).collect();
        match all.into_iter().find(|(_, first, own)| first != own) {
            None => Ok(()),
            Some((what, first, own)) => Err(TrainError::RankDiffers {
                rank,
                what,
                own: short(own),
                first: short(first),
            }),
        }
    }
}

/// Trains with ranks that are threads, each with its share of this process's threads for computing.
pub fn train_on_threads(request: Request, degrees: Degrees) -> Result<Ending, TrainError> {
    check_ranks(request.config, degrees)?;
    let ranks = degrees.ranks();
    let of_each = (rayon::current_num_threads() / ranks.max(1)).max(1);
    let member = Member {
        config: request.config,
        cache: request.cache,
        program: request.program,
        stop: request.stop,
    };
    let texts = Texts::default();
    thread::scope(|scope| {
        let mut engines = threads::connect(ranks).into_iter();
        let first = engines.next();
        let others: Vec<_> = engines
            .map(|engine| {
                let texts = &texts;
                scope.spawn(move || {
                    let ranks = Ranks::new(Arc::new(engine), degrees, Some(of_each))?;
                    serve_with(&member, ranks, Some(texts))
                })
            })
            .collect();
        let ended = match first {
            Some(engine) => Ranks::new(Arc::new(engine), degrees, Some(of_each))
                .and_then(|ranks| lead(request, ranks, Some(&texts))),
            None => Err(TrainError::BrokeOff),
        };
        for other in others {
            // What went wrong there rank 0 has met.
            let _ = other.join();
        }
        ended
    })
}

/// Trains as rank 0 of several processes.
pub fn train_as_first(request: Request, ranks: Ranks) -> Result<Ending, TrainError> {
    lead(request, ranks, None)
}

/// Does the share of another rank that could not be: rank 0 says why.
pub fn refuse(problem: &str, ranks: &Ranks) -> Result<(), TrainError> {
    let said: Result<Identity, &str> = Err(problem);
    ranks.collect(&serde_json::to_vec(&said).unwrap_or_default())?;
    Ok(())
}

/// Does the share of another rank, until rank 0 has no more for it.
pub fn serve(member: &Member, ranks: Ranks) -> Result<(), TrainError> {
    serve_with(member, ranks, None)
}

fn lead(request: Request, ranks: Ranks, texts: Option<&Texts>) -> Result<Ending, TrainError> {
    let ranks = Arc::new(ranks);
    let ended = check_ranks(request.config, ranks.degrees()).and_then(|()| {
        train_in(
            request,
            None,
            Some(Beside {
                ranks: &ranks,
                texts,
            }),
        )
    });
    ranks.end();
    ended
}

/// What rank 0 has beside its request.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) ranks: &'a Arc<Ranks>,
    /// Of a process that has all ranks.
    pub(super) texts: Option<&'a Texts>,
}

impl Beside<'_> {
    /// Refuses ranks that were started with something else; before anything is written.
    pub(super) fn agree(&self, request: &Request, text: &Text) -> Result<(), TrainError> {
        let own = Identity::new(request.program, request.config, text)?;
        let told = self.ranks.collect(&[])?;
        for (rank, told) in told.iter().enumerate().skip(1) {
            let problem = match serde_json::from_slice::<Result<Identity, String>>(told) {
                Ok(Ok(other)) => {
                    own.differing(rank, &other)?;
                    continue;
                }
                Ok(Err(problem)) => problem,
                Err(error) => error.to_string(),
            };
            return Err(TrainError::Rank { rank, problem });
        }
        Ok(())
    }
}

/// The passes of a rank.
pub(super) fn replica(config: &Config, ranks: &Arc<Ranks>) -> Box<dyn Engine> {
    let stages = ranks.degrees().pipeline;
    // Checked before.
    let pipeline =
        Pipeline::new(config.model.layers, stages).expect("stages that divide the layers");
    Box::new(Replica::new(ranks.clone(), pipeline, config))
}

/// Refuses what several ranks cannot train.
fn check_ranks(config: &Config, degrees: Degrees) -> Result<(), TrainError> {
    let refused = |problem: &str| {
        Err(TrainError::Degrees {
            problem: format!("{degrees}: {problem}"),
        })
    };
    if config.probe.kind != ProbeKind::Train {
        return refused("a probe is computed by one process; leave it out");
    }
    if Device::select(config.runtime.device)? != Device::CPU || !config.fuses() {
        return refused(
            "ranks compute with the passes by hand on the CPU: `runtime.device = \"cpu\"` and `runtime.kernels = \"fused\"`",
        );
    }
    if !config.withhold.is_empty() {
        return refused("a fork with `[[withhold]]` is trained by one process; leave it out");
    }
    if Pipeline::new(config.model.layers, degrees.pipeline).is_none() {
        let layers = config.model.layers;
        let fits = |stages: &usize| Pipeline::new(layers, *stages).is_some();
        // A layer each, and embedding and output.
        let most = (layers + 2).min(degrees.pipeline);
        let below = (1..=most).rev().find(fits).unwrap_or(1);
        return refused(&format!(
            "so many stages divide neither {layers} layers nor those with embedding and output into equal parts; the nearest below that do is {below}"
        ));
    }
    check_division(config, degrees.data)?;
    let model = &config.model;
    let shared = [
        ("model.num_heads", model.num_heads),
        ("model.ffn_hidden_size", model.ffn_hidden_size),
    ];
    let is_odd = |(_, count): &(&str, usize)| !count.is_multiple_of(degrees.tensor);
    match shared.into_iter().find(is_odd) {
        None => Ok(()),
        Some((key, count)) => {
            let fits = |ranks: &usize| shared.iter().all(|(_, count)| count.is_multiple_of(*ranks));
            let below = (1..=count.min(degrees.tensor))
                .rev()
                .find(fits)
                .unwrap_or(1);
            refused(&format!(
                "so many ranks do not divide `{key}` = {count}; the nearest below that divide heads and feed-forward are {below}"
            ))
        }
    }
}

fn serve_with(member: &Member, ranks: Ranks, texts: Option<&Texts>) -> Result<(), TrainError> {
    let ranks = Arc::new(ranks);
    let Member {
        config,
        cache,
        program,
        stop,
    } = *member;
    let prepared = match texts {
        Some(texts) => texts.prepare_unless(stop, config, cache),
        None => Text::prepare_unless(stop, config, cache),
    };
    let checked = check_ranks(config, ranks.degrees());
    let identified = checked.and(prepared).and_then(|text| {
        let text = text.ok_or(TrainError::BrokeOff)?;
        Ok((Identity::new(program, config, &text)?, text))
    });
    let said = identified
        .as_ref()
        .map(|(identity, _)| identity)
        .map_err(ToString::to_string);
    ranks.collect(&serde_json::to_vec(&said).unwrap_or_default())?;
    let Ok((_, text)) = identified else {
        // Rank 0 tells it.
        return Ok(());
    };
    let changes = changes(config)?;
    let course = Course::new(
        config,
        &changes,
        &text,
        Device::CPU,
        replica(config, &ranks),
    )?;
    caught(|| follow(&course, &ranks))
}

/// Does what rank 0 orders.
fn follow(course: &Course, ranks: &Ranks) -> Result<(), TrainError> {
    let config = course.base.config;
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut trained = Trained::new(config, Parameters::zeros(table));
    loop {
        match ranks.next_order()? {
            Order::Begin => begin(&course.base, &mut trained),
            Order::Step(state) => {
                trained.state = serde_json::from_str(&state).map_err(|error| TrainError::Rank {
                    rank: ranks.rank(),
                    problem: error.to_string(),
                })?;
                trained.adam.updates = trained.state.updates;
                course.step(&mut trained, None);
            }
            Order::Evaluate => {
                evaluate(&course.base, &trained.parameters);
            }
            Order::Give(moment) => give(&trained, moment),
            Order::End => return Ok(()),
        }
    }
}

fn give(trained: &Trained, moment: Moment) {
    let array = match moment {
        Moment::First => &trained.adam.first,
        Moment::Second => &trained.adam.second,
    };
    if let Some(spread) = array.copy_elsewhere::<Spread>() {
        spread.gather();
    }
}

fn begin(training: &Training, trained: &mut Trained) {
    if let Some(replica) = training.engine().replica() {
        let Trained {
            adam, parameters, ..
        } = trained;
        replica.shared().begin(adam, parameters);
    }
}

/// On rank 0, tells the others to take the step that it takes now.
pub(super) fn lead_step(training: &Training, trained: &mut Trained) {
    let Some(replica) = training.engine().replica() else {
        return;
    };
    let ranks = replica.ranks();
    if ranks.rank() != 0 {
        return;
    }
    let is_spread = trained.adam.first.copy_elsewhere::<Spread>().is_some()
        && trained.adam.second.copy_elsewhere::<Spread>().is_some();
    if !is_spread {
        ranks.order(&Order::Begin);
        begin(training, trained);
    }
    let state = serde_json::to_string(&trained.state.without_alarms()).unwrap_or_default();
    ranks.order(&Order::Step(state));
}

/// Takes a step that began at `start` into the account of all ranks; an event where one of them is slow.
pub(super) fn account(training: &Training, step: u64, start: Instant) -> Option<Event> {
    let ranks = training.engine().replica()?.ranks();
    let Slow { rank, share } = ranks.account(start.elapsed().as_secs_f64())?;
    let text = format!(
        "rank {rank} is slow: the others wait for it {:.0} % of the time",
        100.0 * share
    );
    Some(Event::now(step, EventKind::Ranks, text).with("rank", rank))
}

/// An event with what the ranks of this attempt sent, where there are several.
pub(super) fn with_sent(event: Event, training: &Training) -> Event {
    let Some(replica) = training.engine().replica() else {
        return event;
    };
    let ranks = replica.ranks();
    let Sent {
        reduce_scatter,
        all_gather,
        passed_on,
        all_reduce,
    } = ranks.sent_by_all();
    let degrees = ranks.degrees();
    event
        .with("tensor_parallel", degrees.tensor)
        .with("pipeline_parallel", degrees.pipeline)
        .with("data_parallel", degrees.data)
        .with("messages", ranks.engine())
        .with("reduce_scatter_bytes", reduce_scatter)
        .with("all_gather_bytes", all_gather)
        .with("send_bytes", passed_on)
        .with("all_reduce_bytes", all_reduce)
        .with("idle_share", ranks.idle_share())
}
