//! Whether a run of this program is one of the arm that it is listed for. What an imported run was, nothing says.

use super::Given;
use crate::SweepError;
use crate::card::{Arm, Card, label};
use experiments_config::{Config, Override, anchored, load_file};
use logs::run::CONFIG_FILE;
use std::path::Path;
use toml::{Table, Value};

impl Given {
    /// Refuses a run whose configuration is not what its arm says, by the first key that differs.
    pub(super) fn check_arm(&self, card: &Card, arm: &Arm) -> Result<(), SweepError> {
        if self.manifest.imported.is_some() {
            return Ok(());
        }
        let dir = self.reader.dir();
        let refused = |problem: String| SweepError::GivenRun {
            path: dir.to_owned(),
            problem,
        };
        let file = dir.join(CONFIG_FILE);
        let config = load_file(&file, &[]).map_err(|error| {
            refused(format!(
                "nothing shows that it is a run of the arm `{}`: {error}",
                arm.label
            ))
        })?;
        for (key, value) in &arm.settings {
            let value = match &card.directory {
                Some(directory) => anchored(key, value, directory).map_err(&refused)?,
                None => value.clone(),
            };
            if !has(&config, &file, key, &value) {
                return Err(refused(format!(
                    "the arm `{}` has `{key}` = {}, and its `{CONFIG_FILE}` has {}",
                    arm.label,
                    label(&value),
                    found(&config, key)
                )));
            }
        }
        Ok(())
    }
}

/// Whether a configuration stays what it is when the key is set. So a number counts the same however it is written, and
/// a key that is not in the file by its default.
fn has(config: &Config, file: &Path, key: &str, value: &Value) -> bool {
    let change = Override {
        key: key.to_owned(),
        value: value.clone(),
    };
    // What cannot be set beside the run's other keys is not what it has.
    load_file(file, &[change])
        .is_ok_and(|changed| changed.hash() == config.hash() && changed.runtime == config.runtime)
}

/// What a configuration says at a dotted key, in words.
fn found(config: &Config, key: &str) -> String {
    let table = Table::try_from(config).ok().map(Value::Table);
    let value = table.as_ref().and_then(|table| {
        let mut parts = key.split('.');
        parts.try_fold(table, |value, part| value.get(part))
    });
    value.map_or_else(|| "another value or none".to_owned(), label)
}
