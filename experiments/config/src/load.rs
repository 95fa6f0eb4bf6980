//! From presets, files and `--set` arguments to one complete [`Config`].

use crate::keys::{closest, unknown_keys};
use crate::{Complaint, Config, ConfigError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use toml::{Table, Value};

/// Presets compiled into the program, by name.
const PRESETS: [(&str, &str); 6] = [
    ("t0", include_str!("../../proxies/t0.toml")),
    ("t1", include_str!("../../proxies/t1.toml")),
    ("t2", include_str!("../../proxies/t2.toml")),
    ("t-deep", include_str!("../../proxies/t-deep.toml")),
    ("r256", include_str!("../../proxies/r256.toml")),
    ("glm-130b", include_str!("../../proxies/glm-130b.toml")),
];

/// One `key=value` from the command line or from a card's axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Dotted key.
    pub key: String,
    /// Value; text that is not TOML is taken as a string.
    pub value: Value,
}

impl FromStr for Override {
    type Err = ConfigError;

    fn from_str(argument: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::Override {
            argument: argument.to_owned(),
        };
        let (key, text) = argument.split_once('=').ok_or_else(invalid)?;
        if key.trim().is_empty() {
            return Err(invalid());
        }
        let value = toml::from_str::<Table>(&format!("v = {text}"))
            .ok()
            .and_then(|mut table| table.remove("v"))
            .unwrap_or_else(|| Value::String(text.to_owned()));
        Ok(Self {
            key: key.trim().to_owned(),
            value,
        })
    }
}

/// Names of the presets.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The table of a preset with its `extends` resolved.
pub fn preset_table(name: &str) -> Result<Table, ConfigError> {
    named_table(name, Path::new("."), &mut Vec::new())
}

/// A preset as a configuration.
pub fn load_preset(name: &str, overrides: &[Override]) -> Result<Config, ConfigError> {
    resolve(preset_table(name)?, overrides, &format!("preset `{name}`"))
}

/// A TOML file as a configuration. `extends` names a preset or another file, relative to this
/// one; later tables win, lists are replaced as a whole.
pub fn load_file(path: &Path, overrides: &[Override]) -> Result<Config, ConfigError> {
    let table = file_table(path, &mut Vec::new())?;
    resolve(table, overrides, &format!("`{}`", path.display()))
}

/// Applies overrides and checks keys, types and ranges. `origin` names the source in errors.
pub fn resolve(
    mut table: Table,
    overrides: &[Override],
    origin: &str,
) -> Result<Config, ConfigError> {
    let invalid = |complaints| ConfigError::Invalid {
        origin: origin.to_owned(),
        complaints,
    };
    for change in overrides {
        set(&mut table, change).map_err(|complaint| invalid(vec![complaint]))?;
    }
    let unknown = unknown_keys(&table);
    if !unknown.is_empty() {
        return Err(invalid(unknown));
    }
    let config: Config = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| invalid(vec![type_complaint(&error)]))?;
    let complaints = config.complaints();
    if complaints.is_empty() {
        Ok(config)
    } else {
        Err(invalid(complaints))
    }
}

/// A wrong type or unknown choice, with the key the parser was at.
fn type_complaint(error: &toml::de::Error) -> Complaint {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or("wrong type").to_owned();
    let key = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("in `")?.strip_suffix('`'))
        .unwrap_or("value")
        .to_owned();
    Complaint {
        key,
        message,
        hint: None,
    }
}

fn set(table: &mut Table, change: &Override) -> Result<(), Complaint> {
    let (path, last) = change.key.rsplit_once('.').unwrap_or(("", &change.key));
    let mut at = table;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        at = at
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| Complaint {
                key: change.key.clone(),
                message: format!("`{part}` is a value, not a section"),
                hint: None,
            })?;
    }
    at.insert(last.to_owned(), change.value.clone());
    Ok(())
}

fn file_table(path: &Path, chain: &mut Vec<PathBuf>) -> Result<Table, ConfigError> {
    enter(path, chain)?;
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let directory = path.parent().unwrap_or(Path::new("."));
    parse(&text, &path.display().to_string(), directory, chain)
}

fn named_table(
    name: &str,
    directory: &Path,
    chain: &mut Vec<PathBuf>,
) -> Result<Table, ConfigError> {
    if let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) {
        enter(Path::new(name), chain)?;
        return parse(text, name, directory, chain);
    }
    let path = directory.join(name);
    if path.is_file() {
        return file_table(&path, chain);
    }
    Err(ConfigError::UnknownPreset {
        name: name.to_owned(),
        known: preset_names().collect::<Vec<_>>().join(", "),
        hint: closest(name, preset_names().map(str::to_owned))
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default(),
    })
}

fn enter(name: &Path, chain: &mut Vec<PathBuf>) -> Result<(), ConfigError> {
    if chain.iter().any(|seen| seen == name) {
        return Err(ConfigError::Cycle {
            origin: name.display().to_string(),
            chain: chain
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(" → "),
        });
    }
    chain.push(name.to_owned());
    Ok(())
}

fn parse(
    text: &str,
    origin: &str,
    directory: &Path,
    chain: &mut Vec<PathBuf>,
) -> Result<Table, ConfigError> {
    let mut table: Table = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string(),
    })?;
    match table.remove("extends") {
        None => Ok(table),
        Some(Value::String(base)) => {
            let mut merged = named_table(&base, directory, chain)?;
            merge(&mut merged, table);
            Ok(merged)
        }
        Some(_) => Err(ConfigError::Invalid {
            origin: origin.to_owned(),
            complaints: vec![Complaint {
                key: "extends".to_owned(),
                message: "expected the name of a preset or file".to_owned(),
                hint: None,
            }],
        }),
    }
}

/// Lays `over` onto `base`, table by table.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_resolves() {
        for name in preset_names() {
            load_preset(name, &[]).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn a_resolved_configuration_reads_back_equal() {
        let config = load_preset("t-deep", &["optimizer.lr=3e-3".parse().unwrap()]).unwrap();
        let table: Table = toml::from_str(&config.to_toml()).unwrap();
        assert_eq!(resolve(table, &[], "test").unwrap(), config);
    }

    #[test]
    fn the_hash_ignores_how_a_run_is_executed_and_sees_everything_else() {
        let base = load_preset("t0", &[]).unwrap();
        let threads = load_preset("t0", &["runtime.threads=2".parse().unwrap()]).unwrap();
        let seed = load_preset("t0", &["seed=2".parse().unwrap()]).unwrap();
        assert_eq!(base.hash(), threads.hash());
        assert_ne!(base.hash(), seed.hash());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = load_preset("t0", &["optimizer.lrr=1".parse().unwrap()]).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `optimizer.lr`?"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_choice_names_the_key_and_the_choices() {
        let error = load_preset("t0", &["model.norm=deepnrom".parse().unwrap()]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("norm") && text.contains("deepnorm_glm"),
            "{text}"
        );
    }

    #[test]
    fn files_extend_presets_and_cycles_are_refused() {
        let directory = std::env::temp_dir().join(format!("config-extends-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (a, b) = (directory.join("a.toml"), directory.join("b.toml"));
        std::fs::write(&a, "extends = \"t0\"\nsteps = 7\n").unwrap();
        assert_eq!(load_file(&a, &[]).unwrap().steps, 7);
        std::fs::write(&a, "extends = \"b.toml\"\n").unwrap();
        std::fs::write(&b, "extends = \"a.toml\"\n").unwrap();
        assert!(matches!(load_file(&a, &[]), Err(ConfigError::Cycle { .. })));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
