//! Errors that name the file or key, what was expected and what to do.

use crate::tasks::TaskError;
use std::path::{Path, PathBuf};

/// Why text could not be had or used.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// No folder for the cache is known.
    #[error("no place for the text cache: set WORKBENCH_CACHE to a folder (HOME is not set)")]
    NoCacheFolder,
    /// A file of the cache cannot be read or written.
    #[error("text cache `{}`: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of the cache is damaged.
    #[error("`{}` in the text cache is damaged; delete it and run the command again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A source names no catalogue entry.
    #[error("the catalogue has no text `{name}`; it has {known}{hint}")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Comma-separated names.
        known: String,
        /// `; did you mean ...?` or empty.
        hint: String,
    },
    /// A source calls a catalogue text by another language.
    #[error(
        "`data.sources`: the text `{name}` is in `{actual}`, not in `{given}`; write `language = \"{actual}\"`"
    )]
    WrongLanguage {
        /// Catalogue name.
        name: String,
        /// Language in the configuration.
        given: String,
        /// Language of the text.
        actual: String,
    },
    /// A source has neither a name nor a path.
    #[error("`data.sources` needs exactly one of `name` (catalogue) and `path` (a file of yours)")]
    NoNameOrPath,
    /// The path of a text cannot be written into a configuration.
    #[error("the path `{}` is not UTF-8; rename the folder or the file", path.display())]
    PathNotUtf8 {
        /// The absolute path.
        path: PathBuf,
    },
    /// A catalogue text is not in the cache.
    #[error("the text `{name}` is not in the cache yet; get it with `workbench corpus get {name}`")]
    NotCached {
        /// Catalogue name.
        name: String,
    },
    /// No package manager brought a package.
    #[error("could not get `{name}`: {reason}")]
    Download {
        /// Catalogue name.
        name: String,
        /// What each attempt said.
        reason: String,
    },
    /// A package differs from the one in the catalogue.
    #[error(
        "`{name}` was refused: SHA-256 of the package is {found}, the catalogue says {expected}"
    )]
    Checksum {
        /// Catalogue name.
        name: String,
        /// From the catalogue.
        expected: String,
        /// Of what arrived.
        found: String,
    },
    /// A package does not hold the text it should.
    #[error("`{name}` cannot be unpacked: {message}")]
    Package {
        /// Catalogue name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A file of the user cannot be read.
    #[error("cannot read the text `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of the user has an unknown ending.
    #[error("`{}` is not a text the workbench can read; expected .txt or .jsonl, each also as .gz or .zst", path.display())]
    FileKind {
        /// The file.
        path: PathBuf,
    },
    /// A file of the user holds no text.
    #[error("`{}` holds no text", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file of the user is not UTF-8.
    #[error("`{}` is not UTF-8: first bad byte at offset {offset} (line {line}); convert it, for example with `iconv -t UTF-8`", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset of the first bad byte in the (decompressed) text.
        offset: u64,
        /// Its line, counted from 1.
        line: u64,
    },
    /// A line of a `.jsonl` file is not an object with a string `text`.
    #[error("`{}` line {line}: {message}; expected an object with a string `text`", path.display())]
    JsonLine {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A line of a `.jsonl` file is too long to be held in memory.
    #[error("`{}` line {line} is longer than {} MiB; cut its document into several, one a line", path.display(), most >> 20)]
    LongLine {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// Longest line, bytes.
        most: u64,
    },
    /// A file changed between two reads.
    #[error("`{}` changed while it was used; run the command again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file does not hold what the configuration was made for.
    #[error(
        "`{}` is not the file that the configuration was made for: the BLAKE3 hash of its bytes is {found}, the key `blake3` beside its path says {wanted}; bring the old file back, or begin anew with this one",
        path.display()
    )]
    OtherContent {
        /// The file.
        path: PathBuf,
        /// From the configuration.
        wanted: String,
        /// Of what is there.
        found: String,
    },
    /// A source is too short for sequences of this length.
    #[error(
        "the text {origin} is too short: its {split} part has {tokens} tokens, {needed} are needed (4 sequences of `model.seq_len`); use more text, a larger `max_bytes`{hint}"
    )]
    TooShort {
        /// Catalogue name or file.
        origin: String,
        /// `training` or `held-out`.
        split: &'static str,
        /// Tokens there are.
        tokens: usize,
        /// Tokens needed.
        needed: usize,
        /// ` or a larger ...` where another key helps.
        hint: &'static str,
    },
    /// No source of the configuration can be used.
    #[error("no text can be used:\n{}", notes.iter().map(|n| format!("  {n}")).collect::<Vec<_>>().join("\n"))]
    NoText {
        /// What was tried.
        notes: Vec<String>,
    },
    /// The tokenizer library refused.
    #[error("the tokenizer could not be {action}: {message}")]
    Tokenizer {
        /// `trained`, `read` or `used`.
        action: &'static str,
        /// The library's message.
        message: String,
    },
    /// A set of prompted tasks cannot be used.
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl TextError {
    /// For `map_err` on operations on a cache file.
    pub(crate) fn cache(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Cache {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` on operations on a file of the user.
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}
