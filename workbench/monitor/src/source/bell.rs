//! For which alarms a run asks for the bell.

use std::path::Path;

use experiments_config::{AlarmAction, AlarmConfig};
use serde::Deserialize;

/// What of a configuration is asked for here: the rest may be of another version.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    alarm: AlarmConfig,
}

/// The detectors that a run's `[alarm]` names, where its action is the bell. A run without a configuration (an imported one),
/// or with one that cannot be read, asks for none.
pub(super) fn asked(run: &Path) -> Vec<String> {
    let text = logs::disk::read_text(&run.join(logs::run::CONFIG_FILE)).unwrap_or_default();
    match toml::from_str(&text) {
        Ok(Asked { alarm }) if alarm.action == AlarmAction::Bell => alarm.detectors,
        Ok(_) | Err(_) => Vec::new(),
    }
}
