//! What a run that several ranks train has beside one of one process: they agree, begin and step together, and are counted.

use super::identity::weights_hash;
use super::request::Request;
use super::text::{Text, Texts};
use super::training::Training;
use crate::error::TrainError;
use crate::pass::Engine;
use crate::pass::replica::Replica;
use crate::ranks::{Degrees, Order, Pipeline, Ranks, Sent, Slow, Spread};
use crate::state::Trained;
use experiments_config::Config;
use logs::{Event, EventKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// What must be the same on all ranks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    program: String,
    configuration: String,
    text: String,
    weights: String,
    degrees: String,
}

impl Identity {
    pub(super) fn new(
        program: (&str, Option<&str>, Option<bool>),
        config: &Config,
        text: &Text,
        degrees: Degrees,
    ) -> Result<Self, TrainError> {
        let (version, commit, dirty) = program;
        let changed = if dirty == Some(true) { ", changed" } else { "" };
        Ok(Self {
            program: format!("{version} {}{changed}", commit.unwrap_or("without commit")),
            configuration: hash_without_files(config),
            text: text.hash(),
            weights: weights_hash(config)?.unwrap_or_default(),
            degrees: degrees.to_string(),
        })
    }

    /// The first thing in which `other`, that of a rank, is another.
    fn differing(&self, rank: usize, other: &Self) -> Result<(), TrainError> {
        let all = [
            ("program version", &self.program, &other.program),
            ("configuration", &self.configuration, &other.configuration),
            ("text", &self.text, &other.text),
            ("file of initial weights", &self.weights, &other.weights),
            ("degrees of parallelism", &self.degrees, &other.degrees),
        ];
        // Of a hash, which has no spaces, the beginning.
        let len = |text: &str| if text.contains(' ') { usize::MAX } else { 16 };
        let short = |text: &str| text.chars().take(len(text)).collect();
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

/// The hash of a configuration without the files that it names. What is in them is compared by itself: a run is begun with
/// their hashes in its configuration, and that would differ where the same command finds another text.
fn hash_without_files(config: &Config) -> String {
    let mut config = config.without_paths();
    let texts = config.data.sources.iter_mut();
    let tasks = config.tasks.sources.iter_mut();
    let contents = texts
        .map(|source| &mut source.blake3)
        .chain(tasks.map(|source| &mut source.blake3))
        .chain([&mut config.model.init.weights_blake3]);
    for content in contents {
        *content = None;
    }
    config.hash()
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
        let own = Identity::new(request.program, request.config, text, self.ranks.degrees())?;
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

/// Takes the weights of rank 0 and the own share of the moments; on rank 0, hands them out.
pub(super) fn begin(training: &Training, trained: &mut Trained) {
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
        tied,
    } = ranks.sent_by_all();
    let (degrees, idle) = (ranks.degrees(), ranks.idle());
    event
        .with("tensor_parallel", degrees.tensor)
        .with("sequence_parallel", degrees.sequence)
        .with("pipeline_parallel", degrees.pipeline)
        .with("data_parallel", degrees.data)
        .with("messages", ranks.engine())
        .with("reduce_scatter_bytes", reduce_scatter)
        .with("all_gather_bytes", all_gather)
        .with("send_bytes", passed_on)
        .with("all_reduce_bytes", all_reduce)
        .with("tied_bytes", tied)
        .with("idle_share", idle.measured)
        .with("scheduled_idle_share", idle.scheduled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a rank has of its own, it is named, with the beginning of a hash; and of a program all that is known.
    #[test]
    fn a_rank_that_has_something_else_is_refused_by_what_it_has() {
        let hash = |letter: &str| letter.repeat(64);
        let first = Identity {
            program: "0.1.0 abc".to_owned(),
            configuration: hash("a"),
            text: hash("b"),
            weights: String::new(),
            degrees: "--data-parallel 2".to_owned(),
        };
        first.differing(1, &first).unwrap();
        let changed = |change: fn(&mut Identity)| {
            let mut other = first.clone();
            change(&mut other);
            first.differing(3, &other).unwrap_err().to_string()
        };
        let long = "c".repeat(16);
        let cases = [
            (
                changed(|other| other.program += ", changed"),
                "the program version `0.1.0 abc, changed`, rank 0 has `0.1.0 abc`".to_owned(),
            ),
            (
                changed(|other| other.configuration = "c".repeat(64)),
                format!(
                    "the configuration `{long}`, rank 0 has `{}`",
                    "a".repeat(16)
                ),
            ),
            (
                changed(|other| other.text = "c".repeat(64)),
                format!("the text `{long}`, rank 0 has `{}`", "b".repeat(16)),
            ),
            (
                changed(|other| other.weights = "c".repeat(64)),
                format!("the file of initial weights `{long}`, rank 0 has ``"),
            ),
            (
                changed(|other| other.degrees = "--data-parallel 4".to_owned()),
                "the degrees of parallelism `--data-parallel 4`, rank 0 has `--data-parallel 2`"
                    .to_owned(),
            ),
        ];
        for (told, expected) in cases {
            assert!(
                told.starts_with(&format!("rank 3 has {expected}")),
                "{told}"
            );
        }
    }
}
