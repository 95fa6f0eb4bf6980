//! What a trainer cannot express.

use serde::Serialize;
use std::fmt::Write as _;

/// What it means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A model or an update other than the configuration's would be trained.
    Training,
    /// The same training; something around it is different or by hand.
    Operation,
}

/// One thing the trainer cannot do as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// The configuration's keys.
    pub key: String,
    /// What the configuration asks for.
    pub wanted: String,
    /// What the trainer does with the emitted arguments.
    pub instead: String,
    /// How to get what is wanted.
    pub remedy: String,
    /// What it means for the run.
    pub effect: Effect,
}

/// Collects them.
#[derive(Default)]
pub(crate) struct Limits(Vec<Limit>);

impl Limits {
    /// Something that changes what is trained.
    pub(crate) fn training(&mut self, key: &str, wanted: &str, instead: &str, remedy: &str) {
        self.push(Effect::Training, [key, wanted, instead, remedy]);
    }

    /// Something around the training.
    pub(crate) fn operation(&mut self, key: &str, wanted: &str, instead: &str, remedy: &str) {
        self.push(Effect::Operation, [key, wanted, instead, remedy]);
    }

    fn push(&mut self, effect: Effect, [key, wanted, instead, remedy]: [&str; 4]) {
        self.0.push(Limit {
            key: key.to_owned(),
            wanted: wanted.to_owned(),
            instead: instead.to_owned(),
            remedy: remedy.to_owned(),
            effect,
        });
    }

    /// What changes the training first.
    pub(crate) fn into_vec(mut self) -> Vec<Limit> {
        self.0.sort_by_key(|limit| limit.effect);
        self.0
    }
}

/// `unsupported.md`.
pub(crate) fn markdown(limits: &[Limit], trainer: &str) -> String {
    let mut text = format!("# What the trainer cannot express\n\n{trainer}.\n\n");
    let part = |effect| limits.iter().filter(move |limit| limit.effect == effect);
    for (effect, title, none) in [
        (
            Effect::Training,
            "Changes what is trained",
            "Nothing: the arguments carry the whole recipe.",
        ),
        (
            Effect::Operation,
            "Same training, other handling",
            "Nothing.",
        ),
    ] {
        let _ = writeln!(text, "## {title}\n");
        if part(effect).next().is_none() {
            let _ = writeln!(text, "{none}\n");
            continue;
        }
        text.push_str(
            "| key | configured | what happens instead | how to get it |\n|---|---|---|---|\n",
        );
        for limit in part(effect) {
            let cell = |words: &str| words.replace('|', r"\|");
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                limit.key,
                cell(&limit.wanted),
                cell(&limit.instead),
                cell(&limit.remedy)
            );
        }
        text.push('\n');
    }
    text
}
