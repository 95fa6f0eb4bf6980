//! Several ranks that train one run: threads of this process, or the processes that `mpirun` started.

use crate::cli::Train;
use crate::failure::{Failure, exit};
use experiments::{Degrees, Ending, Launched, Request, TrainError, train, train_on_threads};
use experiments_config::Config;
use experiments_text::Cache;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

/// What trains a run.
#[derive(Debug, Clone, Copy)]
pub(in crate::cmd) enum Ranks {
    /// This process.
    One,
    /// So many ranks, each with its threads of this process.
    Threads(Degrees),
    /// This process as rank 0 of several.
    First(Launched, Degrees),
    /// This process as another of them.
    Other(Launched),
}

impl Ranks {
    /// What the command line and the launcher say. What is wrong with them is wrong for all processes, and said by one.
    pub(super) fn of(arguments: &Train) -> Result<Self, Failure> {
        Self::new(arguments, experiments::launched())
    }

    fn new(arguments: &Train, launched: Option<Launched>) -> Result<Self, Failure> {
        let degrees = degrees(arguments);
        let Some(launched) = launched.filter(|launched| launched.ranks > 1) else {
            return Ok(match degrees.ranks() {
                1 if !degrees.sequence => Self::One,
                _ => Self::Threads(degrees),
            });
        };
        if launched.rank > 0 {
            return Ok(Self::Other(launched));
        }
        let (started, needed) = (launched.ranks, degrees.ranks());
        if !cfg!(feature = "mpi") {
            return Err(Failure::usage(format!(
                "{started} processes were started, but this program was built without MPI; build it with `--features mpi`, or leave out the launcher: the ranks are threads then"
            )));
        }
        if started != needed {
            return Err(Failure::usage(format!(
                "{degrees} needs {needed} processes, {started} were started; start {needed}, or say for example --data-parallel {started}"
            )));
        }
        Ok(Self::First(launched, degrees))
    }

    /// Limits the CPU threads of this process: to what the configuration says, else to its share of the host.
    pub(super) fn threads(self, config: &Config) {
        let share = match self {
            Self::One | Self::Threads(_) => 0,
            Self::First(launched, _) | Self::Other(launched) => {
                let free = std::thread::available_parallelism().map_or(1, usize::from);
                (free / launched.on_host).max(1)
            }
        };
        let asked = config.runtime.threads;
        super::super::threads(if asked > 0 { asked } else { share });
    }

    pub(super) fn train(self, request: Request) -> Result<Ending, TrainError> {
        match self {
            Self::One => train(request),
            Self::Threads(degrees) => train_on_threads(request, degrees),
            Self::First(_, degrees) => processes::train(request, degrees),
            Self::Other(_) => Err(TrainError::BrokeOff),
        }
    }
}

/// What the command line says; one of each where it says nothing.
fn degrees(arguments: &Train) -> Degrees {
    let degree = |asked: Option<NonZeroUsize>| asked.map_or(1, NonZeroUsize::get);
    Degrees {
        pipeline: degree(arguments.pipeline_parallel),
        data: degree(arguments.data_parallel),
        tensor: degree(arguments.tensor_parallel),
        sequence: arguments.sequence_parallel,
    }
}

/// Does the share of a rank other than the first. It prints nothing: what goes wrong, rank 0 says.
pub(super) fn serve(launched: Launched, what: &Path, arguments: &Train, cache: &Cache) -> ExitCode {
    let located = super::locate(what, arguments, cache);
    if let Ok((_, config, _)) = &located {
        Ranks::Other(launched).threads(config);
    }
    let located = located.map(|(_, config, _)| config);
    match processes::serve(&located, degrees(arguments), cache) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(exit::MACHINE),
    }
}

#[cfg(feature = "mpi")]
mod processes {
    use crate::failure::Failure;
    use experiments::{
        Degrees, Ending, RankMember, Ranks, Request, TrainError, refuse, serve as follow,
        train_as_first,
    };
    use experiments_config::Config;
    use experiments_text::Cache;
    use std::sync::atomic::AtomicBool;

    pub(super) fn train(request: Request, degrees: Degrees) -> Result<Ending, TrainError> {
        let (ranks, session) = Ranks::of_mpi(degrees)?;
        let ending = train_as_first(request, ranks)?;
        session.end();
        Ok(ending)
    }

    pub(super) fn serve(
        located: &Result<Config, Failure>,
        degrees: Degrees,
        cache: &Cache,
    ) -> Result<(), TrainError> {
        let (ranks, session) = Ranks::of_mpi(degrees)?;
        match located {
            Ok(config) => follow(
                &RankMember {
                    config,
                    cache,
                    program: super::super::program(),
                    stop: &AtomicBool::new(false),
                },
                ranks,
            )?,
            Err(failure) => refuse(failure.text(), &ranks)?,
        }
        session.end();
        Ok(())
    }
}

/// Rank 0 has said that there is no MPI.
#[cfg(not(feature = "mpi"))]
mod processes {
    use crate::failure::Failure;
    use experiments::{Degrees, Ending, Request, TrainError};
    use experiments_config::Config;
    use experiments_text::Cache;

    pub(super) fn train(_request: Request, _degrees: Degrees) -> Result<Ending, TrainError> {
        Err(TrainError::BrokeOff)
    }

    pub(super) fn serve(
        _located: &Result<Config, Failure>,
        _degrees: Degrees,
        _cache: &Cache,
    ) -> Result<(), TrainError> {
        Err(TrainError::BrokeOff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn of(arguments: &[&str], ranks: Option<(usize, usize)>) -> Result<Ranks, String> {
        let line = ["workbench", "train", "t0"].iter().chain(arguments);
        let crate::cli::Command::Train(train) = Cli::try_parse_from(line).unwrap().command else {
            panic!("not `train`");
        };
        let launched = ranks.map(|(rank, ranks)| Launched {
            rank,
            ranks,
            on_host: ranks,
        });
        Ranks::new(&train, launched).map_err(|failure| failure.text().to_owned())
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
        assert!(matches!(of(&[], Some((1, 2))), Ok(Ranks::Other(_))));
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
}
