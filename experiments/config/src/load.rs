//! From presets, files and `--set` arguments to one complete [`Config`].

use crate::keys::{full, is_key, item, join, nearest, unknown_keys};
use crate::paths::anchor;
use crate::types::{misfits, whole_numbers};
use crate::{Complaint, Config, ConfigError};
use logs::disk::{folder_of_text, read_text};
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
    /// Dotted key; `schedule[0].to` is a key of the first entry of a list.
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
        Ok(config)
    } else {
        Err(invalid(complaints))
    }
}

fn set(table: &mut Table, change: &Override) -> Result<(), Complaint> {
    let (path, last) = change.key.rsplit_once('.').unwrap_or(("", &change.key));
    let refuse = |message: String, hint| Complaint {
        key: change.key.clone(),
        message,
        hint,
    };
    // A section that nobody knows is found out later; a list that nobody knows has no entries to look at.
    if path.contains('[') && !is_key(&change.key) {
        let hint = nearest(&change.key).map(|near| format!("did you mean `{near}`?"));
        return Err(refuse("no such key".to_owned(), hint));
    }
    let mut at = table;
    let mut walked = String::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let inside = match item(part) {
            Some((list, index)) => entry_of(at, list, index, &join(&walked, list)),
            None => section_of(at, part),
        };
        at = inside.map_err(|message| refuse(message, None))?;
        walked = join(&walked, part);
    }
    at.insert(last.to_owned(), change.value.clone());
    Ok(())
}

/// A section of `table`, made where there is none.
fn section_of<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Table, String> {
    let section = table
        .entry(name)
        .or_insert_with(|| Value::Table(Table::new()));
    let section = section.as_table_mut();
    section.ok_or_else(|| format!("`{name}` is a value, not a section"))
}

/// An entry of a list of tables, called `path` in full. It must be there: one key makes no entry.
fn entry_of<'a>(
    table: &'a mut Table,
    name: &str,
    index: usize,
    path: &str,
) -> Result<&'a mut Table, String> {
    let (entries, entry) = match table.get_mut(name) {
        Some(Value::Array(list)) => (list.len(), list.get_mut(index)),
        Some(_) => return Err(format!("`{path}` is no list")),
        None => (0, None),
    };
    entry
        .and_then(Value::as_table_mut)
        .ok_or_else(|| match entries {
            0 => format!(
                "`{path}` has no entries in what this changes; give the list as a whole first"
            ),
            1 => format!("`{path}` has one entry, `{path}[0]`"),
            _ => {
                let last = entries - 1;
                format!("`{path}` has {entries} entries, the last is `{path}[{last}]`")
            }
        })
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

    /// A card's axis can move one key of an entry.
    #[test]
    fn one_key_of_a_lists_entry_can_be_set() {
        let ramp = "schedule=[{ key = \"egs.alpha\", start = 3, to = 1.0 }]";
        let with = |set: &[&str]| {
            let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
            load_preset("t0", &set)
        };
        let config = with(&[ramp, "schedule[0].to=0.1", "schedule[0].start=4"]).unwrap();
        assert_eq!(
            (config.schedule[0].to, config.schedule[0].start),
            (Some(0.1), 4)
        );
        for (set, expected) in [
            (
                &["schedule[0].to=0.1"][..],
                "give the list as a whole first",
            ),
            (
                &[ramp, "schedule[1].to=0.1"],
                "has one entry, `schedule[0]`",
            ),
            (&[ramp, "schedule[0].too=0.1"], "`schedule[0].to`"),
            (&[ramp, "schedule[0]=0.1"], "no such key"),
            (&["model[0].layers=3"], "`model[0].layers`: no such key"),
            (&["schedule=3", "schedule[0].to=1"], "`schedule` is no list"),
            (
                &["data.sources[0].weight=3"],
                "`data.sources` has no entries in what this changes",
            ),
            (&["[0].layers=3"], "no such key"),
        ] {
            let error = with(set).unwrap_err().to_string();
            assert!(error.contains(expected), "{set:?}: {error}");
        }
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
