//! Several runs in one process.
//!
//! How each run ends stands in its directory. The exit code is that of the run that fared worst:
//! the machine's limits, failed, refused, stopped by an alarm, stopped, done.

use super::alarm::Teller;
use super::{listen, program};
use crate::cli::Train;
use crate::console::say;
use crate::failure::{Failure, exit};
use crate::progress::Steps;
use experiments::{Ending, Member, PackRequest, TrainError, train_pack};
use experiments_text::Cache;
use logs::Record;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

pub(super) fn run(arguments: &Train, cache: &Cache) -> Result<ExitCode, Failure> {
    if !arguments.set.is_empty() || arguments.out.is_some() {
        return Err(Failure::usage(
            "several runs continue with their own `run.toml`, without --set and --out",
        ));
    }
    if !arguments.layout.is_empty() {
        return Err(Failure::usage(
            "the degrees of parallelism divide one run; several runs train side by side without them",
        ));
    }
    let directories = arguments.what.clone();
    refuse_twins(&directories)?;
    let mut worst = Worst::default();
    let members = readable(directories, &mut worst);
    let Some(first) = members.first() else {
        return Ok(worst.code());
    };
    crate::cmd::threads(first.config.runtime.threads);
    let stop = listen(arguments)?;
    let progress = Mutex::new(Progress::new(&members));
    let teller = Teller::new(arguments.on_alarm.as_ref());
    let ends = train_pack(&PackRequest {
        members: &members,
        cache,
        program: program(),
        missing_languages: &arguments.missing_language,
        stop: stop.flag(),
        on_step: &|index, record| {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.at(index, record);
        },
        on_alarm: &|index, news| {
            let Member { directory, config } = &members[index];
            let whose = format!("{}: ", directory.display());
            teller.tell(directory, config, &whose, news);
        },
        on_notice: &|index, text| {
            say(&format!(
                "note: {}: {text}",
                members[index].directory.display()
            ));
        },
    });
    let progress = progress.into_inner();
    progress.unwrap_or_else(PoisonError::into_inner).steps.end();
    teller.end();
    match ends {
        Ok(ends) => {
            for (member, end) in members.iter().zip(ends) {
                worst.ended(member, end);
            }
        }
        Err(error) => {
            let failure = error.into();
            for member in &members {
                worst.failed(&member.directory, &failure);
            }
        }
    }
    Ok(worst.code())
}

/// The runs whose configuration can be read; the others have failed.
fn readable(directories: Vec<PathBuf>, worst: &mut Worst) -> Vec<Member> {
    let mut members = Vec::new();
    for directory in directories {
        match crate::cmd::run_config(&directory) {
            Ok(config) => members.push(Member { directory, config }),
            Err(failure) => worst.failed(&directory, &failure),
        }
    }
    members
}

/// One directory has one writer.
fn refuse_twins(directories: &[PathBuf]) -> Result<(), Failure> {
    let same = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut seen: Vec<PathBuf> = Vec::new();
    for directory in directories {
        let own = same(directory);
        if seen.contains(&own) {
            let path = directory.display();
            return Err(Failure::usage(format!("`{path}` is given twice")));
        }
        seen.push(own);
    }
    Ok(())
}

/// How the worst of the runs fared, from good to bad.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Worst {
    #[default]
    Done,
    Stopped,
    Alarmed,
    Taken,
    Refused,
    Failed,
    Machine,
}

impl Worst {
    fn meet(&mut self, other: Self) {
        *self = (*self).max(other);
    }

    /// Says how a run ended.
    fn ended(&mut self, member: &Member, end: Result<Ending, TrainError>) {
        match end {
            Ok(ending) => {
                say(&super::end::line(&member.directory, &member.config, ending));
                self.meet(match ending {
                    Ending::Finished => Self::Done,
                    Ending::Stopped => Self::Stopped,
                    Ending::Alarmed => Self::Alarmed,
                });
            }
            Err(error) => self.failed(&member.directory, &error.into()),
        }
    }

    /// Says what went wrong, also in the run's own console log: the output of this process goes to one
    /// place only.
    fn failed(&mut self, directory: &Path, failure: &Failure) {
        self.meet(match failure.code() {
            exit::MACHINE => Self::Machine,
            exit::BAD_INPUT => Self::Refused,
            exit::TAKEN => Self::Taken,
            _ => Self::Failed,
        });
        say(&format!(
            "error: {}: {}",
            directory.display(),
            failure.text()
        ));
        if directory.is_dir() {
            let path = directory.join(logs::run::CONSOLE_FILE);
            let file = File::options().create(true).append(true).open(path);
            // The disk may be what has failed.
            let line = format!("error: {}", failure.text());
            let _ = file.and_then(|mut file| writeln!(file, "{}", words::printable(&line)));
        }
    }

    fn code(self) -> ExitCode {
        match self {
            Self::Machine => ExitCode::from(exit::MACHINE),
            Self::Failed => ExitCode::from(exit::FAILED),
            Self::Refused => ExitCode::from(exit::BAD_INPUT),
            Self::Taken => ExitCode::from(exit::TAKEN),
            Self::Alarmed => ExitCode::from(exit::ALARMED),
            Self::Stopped => ExitCode::from(exit::STOPPED),
            Self::Done => ExitCode::SUCCESS,
        }
    }
}

/// How far all runs together are.
struct Progress {
    steps: Steps,
    /// Finished steps and last loss of every run.
    runs: Vec<(u64, f64)>,
}

impl Progress {
    fn new(members: &[Member]) -> Self {
        Self {
            steps: Steps::new(members.iter().map(|member| member.config.steps).sum()),
            runs: vec![(0, f64::NAN); members.len()],
        }
    }

    fn at(&mut self, index: usize, record: &Record) {
        self.runs[index] = (record.step, record.scalar("loss").unwrap_or(f64::NAN));
        let done = self.runs.iter().map(|(step, _)| step).sum();
        // NaN is neither, so a run without a loss does not hide the others.
        let losses = || self.runs.iter().map(|(_, loss)| *loss);
        let (low, high) = (
            losses().fold(f64::NAN, f64::min),
            losses().fold(f64::NAN, f64::max),
        );
        let text = format!("{} runs · loss {low:.4} to {high:.4}", self.runs.len());
        self.steps.at(done, &text);
    }
}
