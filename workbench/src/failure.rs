//! Errors as a user sees them, and exit codes.

use experiments::TrainError;
use experiments_config::ConfigError;
use experiments_evaluation::{EvaluateError, TaskError};
use experiments_handover::HandoverError;
use experiments_plan::PlanError;
use experiments_quantization::WeightsError;
use experiments_text::TextError;
use logs::LogError;
use logs::import::ImportError;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::path::Path;
use sweeps::{EvaluationError, SlurmError, SweepError};
use workbench_export::ExportError;
use workbench_monitor::MonitorError;
use workbench_picture::PictureError;
use workbench_report::ReportError;

/// Exit codes, as documented in `--help`.
pub(crate) mod exit {
    /// Something failed: disk, network, a run of a sweep.
    pub(crate) const FAILED: u8 = 1;
    /// Bad input: the command line, a configuration, a card, a file.
    pub(crate) const BAD_INPUT: u8 = 2;
    /// Stopped on request; the same command continues.
    pub(crate) const STOPPED: u8 = 3;
    /// The machine ran out of something while training (disk space, memory, open files); nothing is wrong
    /// with the run, and the same command continues.
    pub(crate) const MACHINE: u8 = 4;
    /// Stopped by an alarm, with `alarm.action = "stop"`; the same command continues.
    pub(crate) const ALARMED: u8 = 5;
    /// Another process trains the run, or has taken it over; nothing is wrong with it.
    pub(crate) const TAKEN: u8 = 6;

    /// The code of a file that could not be read.
    pub(crate) fn of_reading(error: &std::io::Error) -> u8 {
        if logs::disk::is_bad_input(error) {
            BAD_INPUT
        } else {
            FAILED
        }
    }
}

/// An error on its way to the user: what went wrong with its causes, and the exit code.
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// A complaint about the command line.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            text: message.to_string(),
            code: exit::BAD_INPUT,
        }
    }

    /// Something that was started did not come to its end.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self {
            text: message.to_string(),
            code: exit::FAILED,
        }
    }

    /// A process of this program, started to do a part of the work, ended with `code`.
    pub(crate) fn of_process(message: impl fmt::Display, code: Option<i32>) -> Self {
        let known = [exit::BAD_INPUT, exit::MACHINE, exit::ALARMED];
        let known = known
            .into_iter()
            .find(|known| code == Some((*known).into()));
        Self {
            text: message.to_string(),
            code: known.unwrap_or(exit::FAILED),
        }
    }

    /// The machine ran out of something.
    pub(crate) fn machine(message: impl fmt::Display) -> Self {
        Self::of_process(message, Some(exit::MACHINE.into()))
    }

    /// A failure of the operating system: what was tried, and why it did not work.
    pub(crate) fn io(action: impl fmt::Display, error: &std::io::Error) -> Self {
        Self {
            text: with_causes(action.to_string(), Some(error)),
            code: exit::FAILED,
        }
    }

    /// A file of the user's that could not be read.
    pub(crate) fn reading(file: &Path, error: &std::io::Error) -> Self {
        Self {
            code: exit::of_reading(error),
            ..Self::io(format!("cannot read `{}`", file.display()), error)
        }
    }

    /// What another program, or a person, was to write.
    pub(crate) fn reading_stdin(error: &std::io::Error) -> Self {
        Self {
            code: exit::of_reading(error),
            ..Self::io("cannot read standard input", error)
        }
    }

    /// With the file that says what is complained about.
    pub(crate) fn within(self, file: &Path) -> Self {
        Self {
            text: format!("in `{}`: {}", file.display(), self.text),
            ..self
        }
    }

    /// With a line that says what to do instead.
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        let _ = write!(self.text, "\n  {hint}");
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What went wrong, in words.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn new(error: impl Error, code: u8) -> Self {
        Self {
            text: with_causes(error.to_string(), error.source()),
            code,
        }
    }
}

/// `text` and a line for each cause that it does not hold already.
fn with_causes(mut text: String, mut cause: Option<&dyn Error>) -> String {
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            let _ = write!(text, "\n  because: {message}");
        }
        cause = error.source();
    }
    text
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error, exit::BAD_INPUT)
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        if logs::is_machine_failure(&error) {
            return Self::new(error, exit::MACHINE);
        }
        match error {
            TrainError::Text(error) => error.into(),
            TrainError::Log(error) => error.into(),
            TrainError::Config(error) => error.into(),
            TrainError::Device { .. }
            | TrainError::Vocabulary { .. }
            | TrainError::Memory { .. }
            | TrainError::PackMemory { .. }
            | TrainError::PackDevice { .. }
            | TrainError::NoCheckpoint { .. }
            | TrainError::Damaged { .. }
            | TrainError::CheckpointVersion { .. }
            | TrainError::Weights { .. }
            | TrainError::Fork { .. }
            | TrainError::Parity { .. }
            | TrainError::LayerStudy { .. }
            | TrainError::TensorFile(_)
            | TrainError::Quantize(_)
            | TrainError::Quantized { .. }
            | TrainError::Interchange(_)
            | TrainError::EmptyConfiguration { .. }
            | TrainError::Degrees { .. }
            | TrainError::RankDiffers { .. }
            | TrainError::Rank { .. }
            | TrainError::Changed { .. } => Self::new(error, exit::BAD_INPUT),
            // As after a signal: nothing is wrong with the run.
            TrainError::Ranks(_) | TrainError::DeviceFailed(_) => Self::new(error, exit::MACHINE),
            TrainError::BrokeOff => Self::new(error, exit::FAILED),
        }
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        let code = match &error {
            TaskError::Read { source, .. } => exit::of_reading(source),
            TaskError::Syntax { .. }
            | TaskError::Key { .. }
            | TaskError::Missing { .. }
            | TaskError::Unknown { .. }
            | TaskError::Name { .. }
            | TaskError::Files { .. }
            | TaskError::Row { .. }
            | TaskError::Template { .. } => exit::BAD_INPUT,
        };
        Self::new(error, code)
    }
}

impl From<EvaluateError> for Failure {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Task(error) => error.into(),
            EvaluateError::Text(error) => error.into(),
            EvaluateError::NotFinite(_) | EvaluateError::Records { .. } => {
                Self::new(error, exit::FAILED)
            }
        }
    }
}

impl From<WeightsError> for Failure {
    fn from(error: WeightsError) -> Self {
        let code = match &error {
            WeightsError::Read { source, .. } => exit::of_reading(source),
            WeightsError::Format { .. }
            | WeightsError::Length { .. }
            | WeightsError::NoMatrix { .. }
            | WeightsError::EmptyRows { .. }
            | WeightsError::Matrix { .. } => exit::BAD_INPUT,
        };
        Self::new(error, code)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::new(error, exit::BAD_INPUT)
    }
}

impl From<HandoverError> for Failure {
    fn from(error: HandoverError) -> Self {
        Self::new(error, exit::BAD_INPUT)
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        let code = match error {
            TextError::NoCacheFolder
            | TextError::Cache { .. }
            | TextError::Damaged { .. }
            | TextError::Download { .. }
            | TextError::Checksum { .. }
            | TextError::Tokenizer { .. }
            | TextError::NoText { .. } => exit::FAILED,
            TextError::UnknownName { .. }
            | TextError::WrongLanguage { .. }
            | TextError::NoNameOrPath
            | TextError::PathNotUtf8 { .. }
            | TextError::NotCached { .. }
            | TextError::Package { .. }
            | TextError::Read { .. }
            | TextError::FileKind { .. }
            | TextError::Empty { .. }
            | TextError::NotUtf8 { .. }
            | TextError::JsonLine { .. }
            | TextError::LongLine { .. }
            | TextError::Changed { .. }
            | TextError::OtherContent { .. }
            | TextError::TooShort { .. }
            | TextError::Task(_) => exit::BAD_INPUT,
        };
        Self::new(error, code)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let code = match error {
            LogError::Disk { .. }
            | LogError::NothingMade { .. }
            | LogError::Io { .. }
            | LogError::Gone { .. } => exit::FAILED,
            LogError::Held { .. } | LogError::Lost { .. } | LogError::Overtaken { .. } => {
                exit::TAKEN
            }
            LogError::Busy { .. }
            | LogError::Foreign { .. }
            | LogError::Recorded { .. }
            | LogError::NotARun { .. }
            | LogError::Newer { .. }
            | LogError::Damaged { .. }
            | LogError::Name { .. }
            | LogError::Large { .. }
            | LogError::Encode { .. } => exit::BAD_INPUT,
        };
        Self::new(error, code)
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            // A follower's: the same command goes on.
            ImportError::Log(error @ LogError::Disk { .. }) => Self::new(error, exit::MACHINE),
            ImportError::Log(error) => error.into(),
            ImportError::Disk { .. } | ImportError::Gone { .. } => Self::new(error, exit::FAILED),
            ImportError::Read { ref source, .. } => {
                let code = exit::of_reading(source);
                Self::new(error, code)
            }
            ImportError::NotAFile { .. }
            | ImportError::Unknown { .. }
            | ImportError::Nothing { .. }
            | ImportError::Exists { .. }
            | ImportError::Several { .. }
            | ImportError::OtherSource { .. }
            | ImportError::Map { .. } => Self::new(error, exit::BAD_INPUT),
        }
    }
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        if logs::is_machine_failure(&error) {
            return Self::new(error, exit::MACHINE);
        }
        match error {
            SweepError::Machine { .. } | SweepError::Lacking { .. } => {
                Self::new(error, exit::MACHINE)
            }
            SweepError::Config(error) => error.into(),
            SweepError::Log(error) => error.into(),
            SweepError::Slurm(ref problem) => {
                let code = match problem {
                    SlurmError::NoCommand { .. }
                    | SlurmError::Partition { .. }
                    | SlurmError::Refused { .. }
                    | SlurmError::NoJob { .. } => exit::BAD_INPUT,
                    SlurmError::Failed { .. } => exit::FAILED,
                    SlurmError::NoNode { .. } => exit::MACHINE,
                };
                Self::new(error, code)
            }
            SweepError::Write { .. }
            | SweepError::Gone { .. }
            | SweepError::Busy { .. }
            | SweepError::Spawn { .. }
            | SweepError::Wait { .. } => Self::new(error, exit::FAILED),
            SweepError::Read { .. }
            | SweepError::Syntax { .. }
            | SweepError::Card { .. }
            | SweepError::Override { .. }
            | SweepError::NotASweep { .. }
            | SweepError::Occupied { .. }
            | SweepError::Version { .. }
            | SweepError::Damaged { .. }
            | SweepError::Listed { .. }
            | SweepError::GivenRun { .. }
            | SweepError::Fork { .. }
            | SweepError::OtherRun { .. }
            | SweepError::OtherCard { .. }
            | SweepError::OtherRuns { .. }
            | SweepError::UnknownRun { .. }
            | SweepError::AmbiguousRun { .. } => Self::new(error, exit::BAD_INPUT),
        }
    }
}

impl From<EvaluationError> for Failure {
    fn from(error: EvaluationError) -> Self {
        match error {
            EvaluationError::Read { ref source, .. } => {
                let code = exit::of_reading(source);
                Self::new(error, code)
            }
            EvaluationError::NoRuns { .. } | EvaluationError::Labels { .. } => {
                Self::new(error, exit::BAD_INPUT)
            }
        }
    }
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Sweep(error) => error.into(),
            MonitorError::Run(error) => error.into(),
            MonitorError::Neither { .. }
            | MonitorError::Within { .. }
            | MonitorError::NoTerminal
            | MonitorError::Settings { .. }
            | MonitorError::Command { .. } => Self::new(error, exit::BAD_INPUT),
            MonitorError::Picture(error) => error.into(),
            MonitorError::Terminal(_) => Self::new(error, exit::FAILED),
        }
    }
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        Self::new(error, exit::FAILED)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Sweep(error) => error.into(),
            ExportError::Log(error) => error.into(),
            ExportError::Nothing { .. }
            | ExportError::Signal { .. }
            | ExportError::Layers { .. } => Self::new(error, exit::BAD_INPUT),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Sweep(error) => error.into(),
            ReportError::Log(error) | ReportError::Save(error) => error.into(),
            ReportError::NoRuns { .. }
            | ReportError::NoAxis { .. }
            | ReportError::SameAxis { .. } => Self::new(error, exit::BAD_INPUT),
            ReportError::NoResults { .. }
            | ReportError::Folder { .. }
            | ReportError::Draw { .. }
            | ReportError::Template(_) => Self::new(error, exit::FAILED),
        }
    }
}
