//! What a user gets of an alarm: a line, the bell where the run asks for it, and a command of theirs.

use super::command::Caller;
use crate::console::{bell, say};
use experiments_config::{AlarmAction, Config};
use logs::News;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// Where a command comes from that no command line names.
const VARIABLE: &str = "WORKBENCH_ON_ALARM";

/// Tells of the alarms of one process's runs.
pub(super) struct Teller {
    caller: Option<Caller>,
}

impl Teller {
    /// With the command of the command line, or else of the environment; an empty one is none. It never comes from a run
    /// directory or a configuration, which may be somebody else's.
    pub(super) fn new(command: Option<&OsString>) -> Self {
        let command = command.cloned().or_else(|| std::env::var_os(VARIABLE));
        Self {
            caller: command.filter(|text| !text.is_empty()).map(Caller::new),
        }
    }

    /// Tells where something new begins; a further rule that sees the same is in the run's events only. `whose` names the
    /// run where there are several.
    pub(super) fn tell(&self, directory: &Path, config: &Config, whose: &str, news: &News) {
        if !news.begins() {
            return;
        }
        let News { alarm, rules, .. } = news;
        let rules = rules.join(", ");
        say(&format!(
            "alarm: {whose}step {}: {} ({rules})",
            alarm.step, alarm.message
        ));
        if config.alarm.action == AlarmAction::Bell {
            bell();
        }
        if let Some(caller) = &self.caller {
            caller.call(for_command(directory, news));
        }
    }

    /// Gives the command the time to end that is left to it.
    pub(super) fn end(self) {
        if let Some(caller) = self.caller {
            caller.end();
        }
    }
}

/// The alarm as one line of JSON: what its event says, and the run.
fn for_command(directory: &Path, news: &News) -> String {
    let event = news.event();
    let path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let mut text = json!({
        "run": path.to_string_lossy(),
        "time": event.time,
        "step": event.step,
        "message": event.message,
    });
    if let Some(map) = text.as_object_mut() {
        map.extend(event.data);
    }
    format!("{text}\n")
}
