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
        let of_arm = format!("the arm `{}`", arm.label);
        // An axis replaces what is fixed.
        let fixed = card
            .fixed
            .iter()
            .filter(|(key, _)| !arm.settings.contains_key(*key));
        let fixed = fixed.map(|(key, value)| ("the card's `[fixed]`", key, value, false));
        let own = arm.settings.iter();
        let own = own.map(|(key, value)| (of_arm.as_str(), key, value, true));
        for (what, key, value, of_execution) in fixed.chain(own) {
            let value = match &card.directory {
                Some(directory) => anchored(key, value, directory).map_err(&refused)?,
                None => value.clone(),
            };
            if !has(&config, &file, key, &value, of_execution) {
                return Err(refused(format!(
                    "{what} has `{key}` = {}, and its `{CONFIG_FILE}` has {}",
                    label(&value),
                    found(&config, key)
                )));
            }
        }
        Ok(())
    }
}

/// Whether a configuration stays what it is when the key is set. So a number counts the same however it is written, and
/// a key that is not in the file by its default. How a run is executed and watched counts only `of_execution`: where
/// arms differ in it.
fn has(config: &Config, file: &Path, key: &str, value: &Value, of_execution: bool) -> bool {
    let change = Override {
        key: key.to_owned(),
        value: value.clone(),
    };
    // What cannot be set beside the run's other keys is not what it has.
    let Ok(mut changed) = load_file(file, &[change]) else {
        return false;
    };
    pin(&mut changed, config);
    let executed = || changed.runtime == config.runtime && changed.alarm == config.alarm;
    changed.hash() == config.hash() && (!of_execution || executed())
}

/// Fills in what the user's own files hold, for that counts, as far as a card does not say it: what the run had where
/// the name or path is the run's, else what the file holds today.
fn pin(changed: &mut Config, run: &Config) {
    let (init, own) = (&mut changed.model.init, &run.model.init);
    if init.weights != own.weights {
        init.weights_blake3 = init.weights.as_deref().and_then(content);
    }
    for (source, own) in changed.data.sources.iter_mut().zip(&run.data.sources) {
        let is_own = (&source.name, &source.path) == (&own.name, &own.path);
        fill(
            &mut source.blake3,
            is_own.then_some(&own.blake3),
            source.path.as_deref(),
        );
    }
    for (source, own) in changed.tasks.sources.iter_mut().zip(&run.tasks.sources) {
        let is_own = (&source.name, &source.path) == (&own.name, &own.path);
        fill(
            &mut source.blake3,
            is_own.then_some(&own.blake3),
            source.path.as_deref(),
        );
    }
}

/// Gives a hash that a card does not say the run's, or else that of the file.
fn fill(hash: &mut Option<String>, own: Option<&Option<String>>, path: Option<&Path>) {
    if hash.is_none() {
        *hash = own.map_or_else(|| path.and_then(content), Clone::clone);
    }
}

/// BLAKE3 (hex) of what a file holds; none where it cannot be read, which is then not what the run had.
fn content(path: &Path) -> Option<String> {
    let file = logs::disk::open(path).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).ok()?;
    Some(hasher.finalize().to_hex().to_string())
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
