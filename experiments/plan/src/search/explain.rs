//! Why a layout stands where it stands.

use super::{Candidate, Search};
use crate::Layout;
use crate::text::gib;
use serde::Serialize;
use std::fmt::Write as _;
use words::{decimal, thousands};

/// A faster layout and by what it is faster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The other layout.
    pub layout: Layout,
    /// Seconds it saves per step; negative if it is slower.
    pub saves: f64,
    /// Memory of its fullest GPU.
    pub peak_bytes: u64,
    /// Of those, by term; the sum is `saves`.
    pub by_term: Vec<(String, f64)>,
}

/// Why a layout stands where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The layout.
    pub layout: Layout,
    /// Its rank among all that fit, from 1.
    pub rank: usize,
    /// How many fit.
    pub of: usize,
    /// Its seconds per step.
    pub seconds: f64,
    /// Memory of its fullest GPU.
    pub peak_bytes: u64,
    /// Its rank among those with its recomputation, attention and schedule.
    pub rank_alike: usize,
    /// How many those are.
    pub of_alike: usize,
    /// The best with its recomputation and schedule; absent if it is that itself.
    pub best_alike: Option<Difference>,
    /// The best with its recomputation and another schedule, if that beats it.
    pub best_schedule: Option<Difference>,
    /// The best of all; absent if it is that itself.
    pub best: Option<Difference>,
    /// The closest pursuers with its recomputation and schedule.
    pub slower_alike: Vec<Difference>,
}

fn difference(from: &Candidate, to: &Candidate) -> Difference {
    let pairs = from.terms.named().into_iter().zip(to.terms.named());
    Difference {
        layout: to.layout.clone(),
        saves: from.seconds - to.seconds,
        peak_bytes: to.peak_bytes,
        by_term: pairs
            .map(|((name, mine), (_, other))| (name.to_owned(), mine - other))
            .collect(),
    }
}

impl Difference {
    fn text(&self) -> String {
        let mut terms = self.by_term.clone();
        terms.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let parts = terms.iter().filter(|(_, seconds)| seconds.abs() >= 0.005);
        let parts = parts.map(|(name, seconds)| format!("{name} {}", signed(-seconds)));
        let saves = format!(
            "{}; {} GiB: {} s",
            self.layout.text(),
            gib(self.peak_bytes),
            signed(-self.saves),
        );
        let terms = parts.take(3).collect::<Vec<_>>().join(", ");
        words::hanging("    ", &saves, 6, 107) + "      " + &terms
    }
}

fn signed(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "+" };
    format!("{sign}{}", decimal(seconds.abs(), 2))
}

impl Search {
    /// Explains a layout; absent if it is not among those that fit.
    #[must_use]
    pub fn explain(&self, layout: &Layout) -> Option<Explanation> {
        let index = self.ranked.iter().position(|c| c.layout == *layout)?;
        let own = &self.ranked[index];
        let same_recompute = |c: &&Candidate| {
            c.layout.recompute == layout.recompute
                && c.layout.flash_attention == layout.flash_attention
        };
        let alike: Vec<_> = self
            .ranked
            .iter()
            .filter(same_recompute)
            .filter(|c| c.layout.schedule == layout.schedule)
            .collect();
        let place = alike.iter().position(|c| c.layout == *layout)?;
        let faster = |c: &&Candidate| c.seconds < own.seconds;
        let other_schedule = self
            .ranked
            .iter()
            .filter(same_recompute)
            .filter(faster)
            .find(|c| c.layout.schedule != layout.schedule);
        let best = self.ranked.first().filter(|_| index > 0);
        Some(Explanation {
            layout: layout.clone(),
            rank: index + 1,
            of: self.ranked.len(),
            seconds: own.seconds,
            peak_bytes: own.peak_bytes,
            rank_alike: place + 1,
            of_alike: alike.len(),
            best_alike: (place > 0).then(|| difference(own, alike[0])),
            best_schedule: other_schedule.map(|c| difference(own, c)),
            best: best.map(|c| difference(own, c)),
            slower_alike: alike
                .iter()
                .skip(place + 1)
                .take(3)
                .map(|c| difference(own, c))
                .collect(),
        })
    }
}

impl Explanation {
    /// In sentences.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}; {} GiB\n  rank {} of {} by seconds per step ({} s)\n  rank {} of {} among those with {} recomputation{} \
             under {}\n",
            self.layout.text(),
            gib(self.peak_bytes),
            thousands(self.rank as u64),
            thousands(self.of as u64),
            decimal(self.seconds, 2),
            thousands(self.rank_alike as u64),
            thousands(self.of_alike as u64),
            self.layout.recompute.much(),
            if self.layout.flash_attention {
                " and FlashAttention"
            } else {
                ""
            },
            self.layout.schedule.name(),
        );
        let mut line = |label: &str, difference: Option<&Difference>| {
            if let Some(difference) = difference {
                let _ = writeln!(text, "  {label}\n{}", difference.text());
            }
        };
        line("fastest of all:", self.best.as_ref());
        line(
            "fastest with the same recomputation and another schedule:",
            self.best_schedule.as_ref(),
        );
        line(
            "fastest with the same recomputation and schedule:",
            self.best_alike.as_ref(),
        );
        for slower in &self.slower_alike {
            line(
                "next after it, same recomputation and schedule:",
                Some(slower),
            );
        }
        text
    }
}
