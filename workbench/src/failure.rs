//! Errors as a user sees them, and exit codes.

use experiments::TrainError;
use experiments_config::ConfigError;
use experiments_text::TextError;
use logs::LogError;
use std::fmt::{self, Write as _};
use std::process::ExitCode;
use sweeps::SweepError;
use workbench_monitor::MonitorError;
use workbench_report::ReportError;

/// Exit codes, as documented in `--help`.
pub(crate) mod exit {
    /// Something failed: disk, network, a run of a sweep.
    pub(crate) const FAILED: u8 = 1;
    /// Bad input: the command line, a configuration, a card, a file.
    pub(crate) const BAD_INPUT: u8 = 2;
    /// Stopped on request; the same command continues.
    pub(crate) const STOPPED: u8 = 3;
}

/// An error on its way to the user: its chain of causes and the exit code.
pub(crate) struct Failure {
    report: miette::Report,
    code: u8,
}

impl Failure {
    /// A complaint about the command line.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            report: miette::miette!("{message}"),
            code: exit::BAD_INPUT,
        }
    }

    /// A failure of the operating system: what was tried, and why it did not work.
    pub(crate) fn io(action: impl fmt::Display, error: std::io::Error) -> Self {
        let report = Err::<(), _>(error);
        let report = miette::IntoDiagnostic::into_diagnostic(report);
        let report = miette::WrapErr::wrap_err(report, action.to_string());
        match report {
            Err(report) => Self {
                report,
                code: exit::FAILED,
            },
            Ok(()) => Self::usage(action),
        }
    }

    /// Prints the chain to standard error.
    pub(crate) fn report(self) -> ExitCode {
        let mut text = format!("error: {}", self.report);
        for cause in self.report.chain().skip(1) {
            // Some messages hold their cause already.
            if text.contains(&cause.to_string()) {
                continue;
            }
            let _ = write!(text, "\n  because: {cause}");
        }
        eprintln!("{text}");
        ExitCode::from(self.code)
    }

    fn new(error: impl std::error::Error + Send + Sync + 'static, code: u8) -> Self {
        let wrapped = miette::IntoDiagnostic::into_diagnostic(Err::<(), _>(error));
        let report = wrapped
            .err()
            .unwrap_or_else(|| miette::miette!("unknown error"));
        Self { report, code }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error, exit::BAD_INPUT)
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Text(error) => error.into(),
            TrainError::Log(error) => error.into(),
            TrainError::Device { .. }
            | TrainError::Vocabulary { .. }
            | TrainError::Memory { .. }
            | TrainError::Changed { .. } => Self::new(error, exit::BAD_INPUT),
            TrainError::Checkpoint { .. } => Self::new(error, exit::FAILED),
        }
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
            _ => exit::BAD_INPUT,
        };
        Self::new(error, code)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let code = match error {
            LogError::Disk { .. } | LogError::Io { .. } => exit::FAILED,
            _ => exit::BAD_INPUT,
        };
        Self::new(error, code)
    }
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Config(error) => error.into(),
            SweepError::Log(error) => error.into(),
            SweepError::Write { .. }
            | SweepError::Busy { .. }
            | SweepError::Spawn { .. }
            | SweepError::Wait { .. } => Self::new(error, exit::FAILED),
            _ => Self::new(error, exit::BAD_INPUT),
        }
    }
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Sweep(error) => error.into(),
            MonitorError::Run(error) => error.into(),
            MonitorError::Neither { .. } | MonitorError::NoTerminal => {
                Self::new(error, exit::BAD_INPUT)
            }
            _ => Self::new(error, exit::FAILED),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Sweep(error) => error.into(),
            ReportError::Log(error) => error.into(),
            ReportError::NoRuns { .. } => Self::new(error, exit::BAD_INPUT),
            _ => Self::new(error, exit::FAILED),
        }
    }
}
