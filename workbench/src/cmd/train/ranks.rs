//! Several ranks that train one run: threads of this process, or the processes that `mpirun` started.

use crate::cli::{EngineName, Layout, Train};
use crate::console::say;
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use clap::ValueEnum;
use experiments::{
    Degrees, Ending, Launched, RankMember, Request, TrainError, refuse, serve as follow, train,
    train_as_first, train_on_threads,
};
use experiments_config::Config;
use experiments_text::Cache;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

/// What trains a run.
#[derive(Debug, Clone, Copy)]
pub(in crate::cmd) enum Ranks<'a> {
    /// This process.
    One,
    /// So many ranks, each with its threads of this process.
    Threads(Degrees),
    /// This process as rank 0 of several.
    First(Job<'a>),
    /// This process as another of them.
    Other(Job<'a>),
    /// Nothing, and rank 0 says why.
    Silent,
}

/// Processes that a launcher started.
#[derive(Debug, Clone, Copy)]
pub(in crate::cmd) struct Job<'a> {
    launched: Launched,
    degrees: Degrees,
    carrier: Carrier<'a>,
}

/// What carries messages between processes.
#[derive(Debug, Clone, Copy)]
enum Carrier<'a> {
    Mpi,
    /// The ranks meet in a folder.
    Nccl(&'a Path),
}

impl<'a> Ranks<'a> {
    /// What the command line and the launcher say. What is wrong with them is wrong for all processes, and said by one.
    pub(super) fn of(arguments: &'a Train) -> Result<Self, Failure> {
        Self::new(&arguments.layout, experiments::launched())
    }

    fn new(layout: &'a Layout, launched: Option<Launched>) -> Result<Self, Failure> {
        let degrees = degrees(layout);
        let Some(launched) = launched.filter(|launched| launched.ranks > 1) else {
            return Self::in_one_process(layout, degrees);
        };
        let job = carrier(layout, launched).and_then(|carrier| {
            check_started(launched.ranks, degrees)?;
            Ok(Job {
                launched,
                degrees,
                carrier,
            })
        });
        match (launched.rank, job) {
            (0, job) => job.map(Self::First),
            (_, Ok(job)) => Ok(Self::Other(job)),
            (_, Err(_)) => Ok(Self::Silent),
        }
    }

    fn in_one_process(layout: &Layout, degrees: Degrees) -> Result<Self, Failure> {
        if let Some(name) = layout.engine.filter(|name| *name != EngineName::Threads) {
            let ranks = degrees.ranks();
            check_built(name, "", "--engine")?;
            let name = name_of(name);
            return Err(Failure::usage(format!(
                "--engine {name} needs a process for each rank; start them with `mpirun -n {ranks}`, or leave it out: the ranks are threads then"
            )));
        }
        refuse_rendezvous(layout)?;
        Ok(match degrees.ranks() {
            1 if !degrees.sequence => Self::One,
            _ => Self::Threads(degrees),
        })
    }

    /// Limits the CPU threads of this process: to what the configuration says, else to its share of the host.
    pub(super) fn threads(self, config: &Config) {
        let share = match self {
            Self::One | Self::Threads(_) | Self::Silent => 0,
            Self::First(job) | Self::Other(job) => {
                let free = std::thread::available_parallelism().map_or(1, usize::from);
                (free / job.launched.on_host).max(1)
            }
        };
        let asked = config.runtime.threads;
        super::super::threads(if asked > 0 { asked } else { share });
    }

    pub(super) fn train(self, request: Request) -> Result<Ending, TrainError> {
        match self {
            Self::One => train(request),
            Self::Threads(degrees) => train_on_threads(request, degrees),
            Self::First(job) => {
                let (ranks, end) = job.start()?;
                let ending = train_as_first(request, ranks)?;
                end();
                Ok(ending)
            }
            Self::Other(_) | Self::Silent => Err(TrainError::BrokeOff),
        }
    }
}

/// What the command line says; one of each where it says nothing.
fn degrees(layout: &Layout) -> Degrees {
    let degree = |asked: Option<NonZeroUsize>| asked.map_or(1, NonZeroUsize::get);
    Degrees {
        pipeline: degree(layout.pipeline_parallel),
        data: degree(layout.data_parallel),
        tensor: degree(layout.tensor_parallel),
        sequence: layout.sequence_parallel,
    }
}

fn check_started(started: usize, degrees: Degrees) -> Result<(), Failure> {
    let needed = degrees.ranks();
    if started == needed {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{degrees} needs {needed} processes, {started} were started; start {needed}, or say for example --data-parallel {started}"
    )))
}

/// What carries the messages of several processes, where this program can.
fn carrier(layout: &Layout, launched: Launched) -> Result<Carrier<'_>, Failure> {
    let name = match layout.engine {
        Some(EngineName::Threads) => {
            return Err(Failure::usage(format!(
                "--engine threads has all ranks in one process, and {} were started; leave out the launcher, or --engine",
                launched.ranks
            )));
        }
        asked => asked.unwrap_or(EngineName::Mpi),
    };
    let said = format!("{} processes were started, but ", launched.ranks);
    let asked_by = layout
        .engine
        .map_or("the launcher", |_| "the launcher and --engine");
    check_built(name, &said, asked_by)?;
    match (name, &layout.rendezvous) {
        (EngineName::Nccl, Some(folder)) => Ok(Carrier::Nccl(folder)),
        (EngineName::Nccl, None) => Err(Failure::usage(
            "--engine nccl needs --rendezvous DIR: an empty folder that all ranks see, in which they meet",
        )),
        (EngineName::Mpi | EngineName::Threads, _) => {
            refuse_rendezvous(layout).map(|()| Carrier::Mpi)
        }
    }
}

/// Refuses an engine that this build lacks, which no other number of processes would mend. `said` comes before that, and
/// `asked_by` is what to leave out.
fn check_built(engine: EngineName, said: &str, asked_by: &str) -> Result<(), Failure> {
    let is_built = match engine {
        EngineName::Threads => true,
        EngineName::Mpi => cfg!(feature = "mpi"),
        EngineName::Nccl => cfg!(feature = "nccl"),
    };
    if is_built {
        return Ok(());
    }
    let name = name_of(engine);
    Err(Failure::usage(format!(
        "{said}this program was built without {}; build it with `--features {name}`, or leave out {asked_by}: the ranks are threads then",
        name.to_uppercase()
    )))
}

fn refuse_rendezvous(layout: &Layout) -> Result<(), Failure> {
    match layout.rendezvous {
        None => Ok(()),
        Some(_) => Err(Failure::usage(
            "--rendezvous is for `--engine nccl`: other ranks need no folder to meet in; leave it out",
        )),
    }
}

fn name_of(engine: EngineName) -> String {
    let value = engine.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Does the share of a rank other than the first. What goes wrong rank 0 says, and that rank 0 is gone the next.
pub(super) fn serve(job: Job, what: &Path, arguments: &Train, cache: &Cache) -> ExitCode {
    // Who asks a job to stop asks all its processes. Rank 0 answers: the others are needed for the step that it is at.
    let located = super::locate(what, arguments, cache);
    let begun = located.and_then(|(_, config, _)| Ok((config, Stop::listen()?)));
    if let Ok((config, _)) = &begun {
        Ranks::Other(job).threads(config);
    }
    match job.serve(&begun, cache) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let TrainError::Ranks(lost) = &error
                && lost.missing() == Some(0)
                && job.launched.rank == 1
            {
                say(&format!("error: {error}"));
            }
            ExitCode::from(exit::MACHINE)
        }
    }
}

/// This process among the others, which have met; and what is to be called when all is done, and not where something went
/// wrong: it may wait for a rank that has ended.
type Started = (experiments::Ranks, Box<dyn FnOnce()>);

impl Job<'_> {
    fn start(self) -> Result<Started, TrainError> {
        match self.carrier {
            Carrier::Mpi => start_mpi(self.degrees),
            Carrier::Nccl(folder) => start_nccl(self.degrees, self.launched, folder),
        }
    }

    fn serve(
        self,
        begun: &Result<(Config, Stop), Failure>,
        cache: &Cache,
    ) -> Result<(), TrainError> {
        let (ranks, end) = self.start()?;
        match begun {
            Ok((config, stop)) => follow(
                &RankMember {
                    config,
                    cache,
                    program: super::program(),
                    stop: stop.flag(),
                },
                ranks,
            )?,
            Err(failure) => refuse(failure.text(), &ranks)?,
        }
        end();
        Ok(())
    }
}

#[cfg(feature = "mpi")]
fn start_mpi(degrees: Degrees) -> Result<Started, TrainError> {
    let (ranks, session) = experiments::Ranks::of_mpi(degrees)?;
    Ok((ranks, Box::new(|| session.end())))
}

/// Was refused.
#[cfg(not(feature = "mpi"))]
fn start_mpi(_degrees: Degrees) -> Result<Started, TrainError> {
    Err(TrainError::BrokeOff)
}

#[cfg(feature = "nccl")]
fn start_nccl(degrees: Degrees, launched: Launched, folder: &Path) -> Result<Started, TrainError> {
    let ranks = experiments::Ranks::of_nccl(degrees, launched, folder)?;
    Ok((ranks, Box::new(|| {})))
}

/// Was refused.
#[cfg(not(feature = "nccl"))]
fn start_nccl(
    _degrees: Degrees,
    _launched: Launched,
    _folder: &Path,
) -> Result<Started, TrainError> {
    Err(TrainError::BrokeOff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn of(arguments: &[&str], ranks: Option<(usize, usize)>) -> Result<Ranks<'static>, String> {
        let line = ["workbench", "train", "t0"].iter().chain(arguments);
        let crate::cli::Command::Train(train) = Cli::try_parse_from(line).unwrap().command else {
            panic!("not `train`");
        };
        let launched = ranks.map(|(rank, ranks)| Launched {
            rank,
            ranks,
            on_host: ranks,
            place_on_host: rank,
        });
        let layout = Box::leak(Box::new(train.layout));
        Ranks::new(layout, launched).map_err(|failure| failure.text().to_owned())
    }

    #[test]
    fn the_launcher_decides_what_a_rank_is() {
        assert!(matches!(of(&[], None), Ok(Ranks::One)));
        assert!(matches!(
            of(&["--data-parallel", "1"], None),
            Ok(Ranks::One)
        ));
        let both = of(&["--data-parallel", "4", "--pipeline-parallel", "2"], None);
        assert!(matches!(
            both,
            Ok(Ranks::Threads(Degrees {
                pipeline: 2,
                data: 4,
                tensor: 1,
                sequence: false
            }))
        ));
        assert!(matches!(of(&[], Some((0, 1))), Ok(Ranks::One)));
        let two = &["--data-parallel", "2"];
        let other = of(two, Some((1, 2)));
        if cfg!(feature = "mpi") {
            assert!(matches!(other, Ok(Ranks::Other(_))));
        } else {
            assert!(matches!(other, Ok(Ranks::Silent)));
        }
        assert!(
            matches!(of(&[], Some((1, 2))), Ok(Ranks::Silent)),
            "rank 0 says it"
        );
        let lonely = of(&[], Some((0, 8))).unwrap_err();
        let unequal = of(&["--data-parallel", "2"], Some((0, 8))).unwrap_err();
        for problem in [lonely, unequal] {
            let expected = if cfg!(feature = "mpi") {
                "--data-parallel 8"
            } else {
                "--features mpi"
            };
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn an_engine_that_cannot_carry_the_messages_is_refused_by_name() {
        let refused = |line: &str, ranks| {
            let arguments: Vec<&str> = line.split(' ').collect();
            of(&arguments, ranks).unwrap_err()
        };
        let two = "--data-parallel 2 --engine";
        for name in ["mpi", "nccl"] {
            let alone = refused(&format!("{two} {name}"), None);
            let is_built = match name {
                "mpi" => cfg!(feature = "mpi"),
                _ => cfg!(feature = "nccl"),
            };
            if is_built {
                assert!(alone.contains(&format!("--engine {name} needs")), "{alone}");
                assert!(alone.contains("mpirun -n 2"), "{alone}");
            } else {
                // Processes would not help.
                assert!(alone.contains(&format!("--features {name}")), "{alone}");
                assert!(!alone.contains("mpirun"), "{alone}");
            }
        }
        let threads = refused(&format!("{two} threads"), Some((0, 2)));
        assert!(threads.contains("leave out the launcher"), "{threads}");
        let expected = if cfg!(feature = "nccl") {
            "--rendezvous DIR"
        } else {
            "--features nccl"
        };
        let nccl = refused(&format!("{two} nccl"), Some((0, 2)));
        assert!(nccl.contains(expected), "{nccl}");
        let folder = "--rendezvous DIR";
        let unasked = refused(&format!("{two} threads {folder}"), None);
        assert!(unasked.contains("--engine nccl"), "{unasked}");
        let threads = of(&["--engine", "threads", "--data-parallel", "2"], None);
        assert!(matches!(threads, Ok(Ranks::Threads(_))));
        let met = of(
            &format!("{two} nccl {folder}")
                .split(' ')
                .collect::<Vec<_>>(),
            Some((1, 2)),
        );
        if cfg!(feature = "nccl") {
            assert!(matches!(
                met,
                Ok(Ranks::Other(Job {
                    carrier: Carrier::Nccl(_),
                    ..
                }))
            ));
        }
    }
}
