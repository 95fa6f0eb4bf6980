//! Names of signals, one copy of each.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::RESERVED;
use super::limits::MOST_NAMES;

/// The name of a signal. Copies share their text: a run has the same few names at every step.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The names of the records that were taken so far.
#[derive(Debug)]
pub(crate) struct Names {
    /// With the keys of a line itself, which are no signals and leave all [`MOST_NAMES`] to those.
    known: HashSet<Name>,
    /// First met in the line that is being read.
    fresh: HashSet<Name>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            known: RESERVED.into_iter().map(Name::from).collect(),
            fresh: HashSet::new(),
        }
    }
}

impl Names {
    /// Those that were taken, to go on with later.
    pub(crate) fn taken(&self) -> Vec<String> {
        let known = self.known.iter().map(Name::to_string);
        let mut taken: Vec<String> = known
            .filter(|name| !RESERVED.contains(&name.as_str()))
            .collect();
        taken.sort_unstable();
        taken
    }

    /// Goes on with what [`Names::taken`] gave.
    pub(crate) fn restore(&mut self, taken: &[String]) {
        self.known
            .extend(taken.iter().map(|name| Name::from(name.as_str())));
    }

    /// The shared copy of a name that was taken.
    pub(crate) fn known(&self, name: &str) -> Name {
        self.known.get(name).cloned().unwrap_or_else(|| name.into())
    }

    /// The shared copy of a name; `None` where there are [`MOST_NAMES`] others.
    pub(super) fn shared(&mut self, text: &str) -> Option<Name> {
        let met = self.known.get(text).or_else(|| self.fresh.get(text));
        if let Some(name) = met {
            return Some(name.clone());
        }
        if self.known.len() + self.fresh.len() >= RESERVED.len() + MOST_NAMES {
            return None;
        }
        let name = Name::from(text);
        self.fresh.insert(name.clone());
        Some(name)
    }

    /// Ends a line. The names of a refused one are forgotten: they must not use up those of the
    /// records that follow.
    pub(super) fn end_line(&mut self, taken: bool) {
        if taken {
            self.known.extend(self.fresh.drain());
        } else {
            self.fresh.clear();
        }
    }
}
