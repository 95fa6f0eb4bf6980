//! From presets, files and `--set` arguments to one complete [`Config`].

use crate::keys::{full, unknown_keys};
use crate::overrides::{Override, set};
use crate::paths::anchor;
use crate::types::{misfits, whole_numbers};
use crate::{Complaint, Config, ConfigError};
use logs::disk::{folder_of_text, read_text};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Presets compiled into the program, by name.
const PRESETS: [(&str, &str); 11] = [
    ("t0", include_str!("../../proxies/t0.toml")),
    ("t1", include_str!("../../proxies/t1.toml")),
    ("t2", include_str!("../../proxies/t2.toml")),
    ("t-deep", include_str!("../../proxies/t-deep.toml")),
    ("r256", include_str!("../../proxies/r256.toml")),
    ("glm-130b", include_str!("../../proxies/glm-130b.toml")),
    ("glm-10b", include_str!("../../proxies/glm-10b.toml")),
    ("gpt-3-175b", include_str!("../../proxies/gpt-3-175b.toml")),
    ("bloom-176b", include_str!("../../proxies/bloom-176b.toml")),
    ("opt-175b", include_str!("../../proxies/opt-175b.toml")),
    (
        "llama-3-405b",
        include_str!("../../proxies/llama-3-405b.toml"),
    ),
];

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
/// one; later tables win, lists are replaced as a whole. Paths of the user's own files are relative
/// to the file that holds them, those of `overrides` stay as they are.
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
    let mut complaints: Vec<Complaint> = (overrides.iter())
        .filter_map(|change| set(&mut table, change).err())
        .collect();
    let schema = full();
    whole_numbers(&mut table, &schema);
    complaints.extend(unknown_keys(&table, &schema));
    let parsed = Value::Table(table.clone()).try_into::<Config>();
    let config = match parsed {
        Ok(config) if complaints.is_empty() => config,
        Ok(_) => return Err(invalid(complaints)),
        Err(error) => {
            complaints.extend(misfits::<Config>(&table, &schema));
            if complaints.is_empty() {
                complaints.push(Complaint {
                    key: "value".to_owned(),
                    message: error.to_string(),
                    hint: None,
                });
            }
            return Err(invalid(complaints));
        }
    };
    let complaints = config.complaints();
    if complaints.is_empty() {
        let mut config = config;
        config.drop_empty_injections();
        config.drop_empty_policies();
        Ok(config)
    } else {
        Err(invalid(complaints))
    }
}

fn file_table(path: &Path, chain: &mut Vec<PathBuf>) -> Result<Table, ConfigError> {
    enter(path, chain)?;
    let text = read_text(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let directory = folder_of_text(path);
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
        hint: words::hint(name, preset_names()),
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
    anchor(&mut table, directory).map_err(|message| ConfigError::Invalid {
        origin: origin.to_owned(),
        complaints: vec![Complaint {
            key: "path".to_owned(),
            message,
            hint: None,
        }],
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
        let set = ["optimizer.lr=3e-3", "alarm.threshold.robust-loss=9"];
        let set = set.map(|set| set.parse().unwrap());
        let config = load_preset("t-deep", &set).unwrap();
        let table: Table = toml::from_str(&config.to_toml()).unwrap();
        assert_eq!(resolve(table, &[], "test").unwrap(), config);
    }

    #[test]
    fn the_disk_that_a_run_takes_has_its_ring_in_it() {
        let needs = |ring: &str| {
            let set = ["steps=300", ring].map(|set| set.parse().unwrap());
            let config = load_preset("t0", &set).unwrap();
            (config.disk_bytes(), config.checkpoint_bytes())
        };
        let (none, one) = needs("checkpoint.ring_bytes=0");
        assert_eq!(needs("checkpoint.ring_interval=0").0, none);
        assert_eq!(needs("checkpoint.ring_interval=64").0, none + 4 * one);
        assert_eq!(
            needs("checkpoint.ring_interval=5").0,
            none + 8 * one,
            "as many as it holds"
        );
    }

    #[test]
    fn the_hash_ignores_how_a_run_is_executed_and_sees_everything_else() {
        let base = load_preset("t0", &[]).unwrap();
        let threads = load_preset("t0", &["runtime.threads=2".parse().unwrap()]).unwrap();
        let seed = load_preset("t0", &["seed=2".parse().unwrap()]).unwrap();
        assert_eq!(base.hash(), threads.hash());
        let stop = load_preset("t0", &["alarm.action=stop".parse().unwrap()]).unwrap();
        assert_eq!(base.hash(), stop.hash());
        assert_ne!(base.to_toml(), stop.to_toml());
        let ring = ["checkpoint.ring_bytes=0", "checkpoint.ring_interval=7"];
        let ring = load_preset("t0", &ring.map(|set| set.parse().unwrap())).unwrap();
        assert_eq!(base.hash(), ring.hash());
        assert!(base.ring_slots() < 10 && ring.ring_slots() == 0);
        assert!(!base.to_toml().contains("ring"), "old files read back");
        assert_ne!(base.hash(), seed.hash());
    }

    /// A configuration means the same from every folder, and the same text is the same wherever it
    /// lies; a run begun before content counted keeps its hash.
    #[test]
    fn own_files_are_relative_to_their_file_and_hashed_by_content() {
        let root = tempfile::tempdir().unwrap();
        let source = |extra: &str| {
            format!(
                "extends = \"t0\"\ndata.sources = [{{ path = \"a.txt\", language = \"en\", weight = 1.0{extra} }}]\n"
            )
        };
        let load = |folder: &str, extra: &str| {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let file = folder.join("base.toml");
            std::fs::write(&file, source(extra)).unwrap();
            // The file that extends lies elsewhere.
            let over = root.path().join("over.toml");
            let base = file.display();
            std::fs::write(&over, format!("extends = \"{base}\"\n")).unwrap();
            let config = load_file(&over, &[]).unwrap();
            assert_eq!(config.data.sources[0].path, Some(folder.join("a.txt")));
            config
        };
        assert_ne!(load("one", "").hash(), load("two", "").hash());
        let pinned = format!(", blake3 = \"{}\"", "ab".repeat(32));
        let pinned = pinned.as_str();
        assert_eq!(load("one", pinned).hash(), load("two", pinned).hash());
        let other = load("two", &pinned.replace("ab", "cd"));
        assert_ne!(load("one", pinned).hash(), other.hash());
        assert_eq!(
            load("one", "").without_paths(),
            load("two", "").without_paths()
        );
        let set = ["model.init.weights=w.safetensors".parse().unwrap()];
        let config = load_file(&root.path().join("over.toml"), &set).unwrap();
        let weights = config.model.init.weights.unwrap();
        assert_eq!(
            weights,
            Path::new("w.safetensors"),
            "as given on the command line"
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
