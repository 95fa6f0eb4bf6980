//! Ranks that train one run together: how they are started, and what those do that are not the first.

use super::beside::{Beside, Identity, begin, replica};
use super::course::{Course, changes};
use super::evaluation::evaluate;
use super::request::{Ending, Request};
use super::session::train_in;
use super::text::{Text, Texts};
use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::write_share;
use crate::parameters::{Parameter, Parameters};
use crate::ranks::{Degrees, Moment, Order, Pipeline, Ranks, Spread, caught, check_division};
use crate::state::Trained;
use experiments_collective::threads;
use experiments_config::{Config, ProbeKind};
use experiments_text::Cache;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

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

/// Trains with ranks that are threads, each with its share of this process's threads for computing.
pub fn train_on_threads(request: Request, degrees: Degrees) -> Result<Ending, TrainError> {
    check_ranks(request.config, degrees)?;
    let member = Member {
        config: request.config,
        cache: request.cache,
        program: request.program,
        stop: request.stop,
    };
    let texts = Texts::default();
    let serves = |ranks| serve_with(&member, ranks, Some(&texts));
    on_threads(degrees, serves, |ranks| lead(request, ranks, Some(&texts)))
}

/// Ranks that are threads, each with its share of this process's threads for computing: what rank 0 does, and what each of
/// the others.
pub(super) fn on_threads<T>(
    degrees: Degrees,
    others: impl Fn(Ranks) -> Result<(), TrainError> + Sync,
    first: impl FnOnce(Ranks) -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let count = degrees.ranks();
    let of_each = (rayon::current_num_threads() / count.max(1)).max(1);
    let ranks = |engine| Ranks::new(Arc::new(engine), degrees, Some(of_each));
    thread::scope(|scope| {
        let mut engines = threads::connect(count).into_iter();
        let own = engines.next();
        let others = &others;
        let at_work: Vec<_> = engines
            .map(|engine| scope.spawn(move || ranks(engine).and_then(others)))
            .collect();
        let done = own
            .ok_or(TrainError::BrokeOff)
            .and_then(ranks)
            .and_then(first);
        for other in at_work {
            // What went wrong there rank 0 has met.
            let _ = other.join();
        }
        done
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
    if degrees.sequence {
        check_sequence(config, degrees)?;
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

/// Refuses rows that ranks cannot have a part of each.
fn check_sequence(config: &Config, degrees: Degrees) -> Result<(), TrainError> {
    let problem = if degrees.tensor == 1 {
        "--sequence-parallel divides rows among the ranks that share matrices, and there is one; ask for --tensor-parallel 2 or more, or leave it out".to_owned()
    } else if config.precision.pb_relax.norm {
        "--sequence-parallel: `precision.pb_relax.norm` divides all rows by the largest value of any of them; leave out one of both".to_owned()
    } else {
        return Ok(());
    };
    Err(TrainError::Degrees { problem })
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
        Ok((
            Identity::new(program, config, &text, ranks.degrees())?,
            text,
        ))
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
pub(super) fn follow(course: &Course, ranks: &Ranks) -> Result<(), TrainError> {
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
            Order::Write(share) => {
                let table = trained.parameters.table();
                write_share(&trained.adam, table, ranks, &share)?;
            }
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
