//! The catalogue of task sets (`catalogue.toml`) and the prompts of those whose files a user can
//! have (`prompts.toml`).

use super::TaskError;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Where a set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// T0's sets, prompted by `PromptSource` (arXiv 2210.02414 table 12).
    T0,
    /// Information extraction as `DeepStruct` has it (the same table).
    Deepstruct,
    /// Not among the 74 of the paper: the few-shot sets of `FewCLUE`, in Chinese.
    Extra,
}

/// A pair of Jinja templates that makes a sample of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Template of the text.
    pub input: String,
    /// Template of the target.
    pub target: String,
}

/// How a set is read whose files a user can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuiltIn {
    /// Training file below the folder `WORKBENCH_EVAL_DATA`.
    pub file: String,
    /// Lists inside a row whose values make a sample each, `NAME in EXPRESSION`, outermost first.
    pub each: Vec<String>,
    /// Every prompt fills every row.
    pub prompts: Vec<Prompt>,
}

/// One set of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// Name in `tasks.sources`.
    pub name: String,
    /// Kind of task.
    pub family: String,
    /// Where it comes from.
    pub group: Group,
    /// Most samples (arXiv 2210.02414 appendix C.1).
    pub cap: u64,
    /// Language code.
    #[serde(default = "english")]
    pub language: String,
    /// What a reader should know.
    #[serde(default)]
    pub note: Option<String>,
    /// File and prompts; `None` for a set that only a file of the user's own can supply.
    #[serde(skip_deserializing)]
    pub built_in: Option<BuiltIn>,
}

impl CatalogueEntry {
    /// One sentence on where the rows of the set come from.
    #[must_use]
    pub fn how_to_supply(&self) -> String {
        match &self.built_in {
            Some(built_in) => format!(
                "put the training split at `{}` in the folder that WORKBENCH_EVAL_DATA names",
                built_in.file
            ),
            None => format!(
                "name a file of yours in `tasks.sources`, `path = \"FILE.jsonl\", max_samples = {}`, \
                 one object per line with `text` and `targets`, or with any fields and the Jinja \
                 templates `input` and `target` beside `path`",
                self.cap
            ),
        }
    }
}

fn english() -> String {
    "en".to_owned()
}

#[derive(Deserialize)]
struct Catalogue {
    entry: Vec<CatalogueEntry>,
}

#[derive(Deserialize)]
struct Prompts {
    set: Vec<PromptedSet>,
}

/// A set of `prompts.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptedSet {
    name: String,
    file: String,
    #[serde(default)]
    each: Vec<String>,
    prompt: Vec<Prompt>,
}

static ENTRIES: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
    let catalogue: Catalogue = toml::from_str(include_str!("catalogue.toml"))
        .expect("the catalogue is part of the program and a test reads it");
    let prompts: Prompts = toml::from_str(include_str!("prompts.toml"))
        .expect("the prompts are part of the program and a test reads them");
    let mut entries = catalogue.entry;
    for set in prompts.set {
        if let Some(entry) = entries.iter_mut().find(|entry| entry.name == set.name) {
            entry.built_in = Some(BuiltIn {
                file: set.file,
                each: set.each,
                prompts: set.prompt,
            });
        }
    }
    entries
});

/// All sets: the 74 of the paper's table 12 in its order, then the extra ones.
#[must_use]
pub fn catalogue() -> &'static [CatalogueEntry] {
    &ENTRIES
}

/// The set called `name`, or an error with the nearest name.
pub fn find(name: &str) -> Result<&'static CatalogueEntry, TaskError> {
    let found = catalogue().iter().find(|entry| entry.name == name);
    found.ok_or_else(|| {
        // `boolq` means `super_glue/boolq`.
        let last = |known: &str| known.rsplit('/').next() == Some(name);
        let names = || catalogue().iter().map(|entry| entry.name.as_str());
        TaskError::UnknownName {
            name: name.to_owned(),
            hint: match names().find(|known| last(known)) {
                Some(known) => format!("; did you mean `{known}`?"),
                None => words::hint(name, names()),
            },
            count: catalogue().len(),
        }
    })
}

#[cfg(test)]
mod tests;
