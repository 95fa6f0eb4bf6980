//! Which runs have curves.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Shared;

impl Shared {
    /// Whether a run's curves are drawn.
    pub(crate) fn is_selected(&self, run: usize) -> bool {
        self.is_shown(run) && self.selected.get(run).copied().unwrap_or(true)
    }

    /// Chooses anew which runs have curves.
    pub(crate) fn select(&mut self, choose: impl Fn(&Self, usize) -> bool) {
        self.selected = self.runs().map(|run| choose(self, run)).collect();
    }

    /// Draws the runs of a kind, or drops them where all of them are drawn.
    pub(crate) fn toggle(&mut self, kind: impl Fn(&Self, usize) -> bool) {
        let mut of_kind = self
            .runs()
            .filter(|run| kind(self, *run) && self.is_shown(*run));
        let all = of_kind.all(|run| self.is_selected(run));
        self.select(|shared, run| {
            if kind(shared, run) {
                !all
            } else {
                shared.is_selected(run)
            }
        });
    }

    /// Draws the runs of these names, or all but those behind a `!`; `all`, `none`. A name that is no whole one means all runs
    /// that have it in theirs.
    pub(crate) fn select_named(&mut self, words: &str) -> Result<(), String> {
        let words = shlex::split(words).ok_or("a quote is not closed")?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let [] | ["all" | "none"] = words[..] {
            let all = words != ["none"];
            self.select(|_, _| all);
            return Ok(());
        }
        let dropped = words.iter().filter(|word| word.starts_with('!')).count();
        if dropped > 0 && dropped < words.len() {
            return Err("runs to draw, or runs to leave out behind `!`, but not both".to_owned());
        }
        let mut named = BTreeSet::new();
        for word in words {
            named.extend(self.named(word.trim_start_matches('!'))?);
        }
        self.select(|_, run| named.contains(&run) == (dropped == 0));
        Ok(())
    }

    /// How [`Self::select_named`] leads to what is drawn, in as few names as it takes; none where all runs are.
    pub(crate) fn selection(&self) -> Option<String> {
        let is_drawn = |run: &usize| self.selected.get(*run).copied().unwrap_or(true);
        let (drawn, dropped): (Vec<usize>, Vec<usize>) = self.runs().partition(is_drawn);
        if dropped.is_empty() {
            return None;
        }
        if drawn.is_empty() {
            return Some("none".to_owned());
        }
        let (sign, runs) = if dropped.len() < drawn.len() {
            ("!", dropped)
        } else {
            ("", drawn)
        };
        let name = |run: &usize| {
            let name = format!("{sign}{}", self.sweep().runs[*run].id);
            shlex::try_quote(&name).map_or_else(|_| name.clone(), Cow::into_owned)
        };
        Some(runs.iter().map(name).collect::<Vec<_>>().join(" "))
    }
}
