//! From the text of a card to the card.

use crate::SweepError;
use crate::card::wire::{Read, WireCard, keys, places};
use crate::card::{Card, check};
use experiments_config::{Complaint, misfits};
use std::path::Path;
use toml::{Table, Value};

impl Card {
    /// Reads and checks a card, all of its table. A `base` that is no preset is a file next to the card.
    pub fn load(path: &Path) -> Result<Self, SweepError> {
        Ok(Self::load_with_text(path, None)?.0)
    }

    /// [`Card::load`] at one of the card's budgets, and the text as it stands in the file, which a
    /// sweep keeps.
    pub fn load_with_text(path: &Path, budget: Option<&str>) -> Result<(Self, String), SweepError> {
        let text = logs::disk::read_text(path).map_err(|source| SweepError::Read {
            path: path.to_owned(),
            source,
        })?;
        let directory = logs::disk::folder_of_text(path);
        let origin = format!("card `{}`", path.display());
        let card = Self::parse_at(&text, &origin, directory, budget)?;
        Ok((card, text))
    }

    /// Checks the text of a card. `origin` names it in errors; a `base` that is no preset is
    /// looked for in `directory`.
    pub fn parse(text: &str, origin: &str, directory: &Path) -> Result<Self, SweepError> {
        Self::parse_at(text, origin, directory, None)
    }

    /// [`Card::parse`] at one of the card's budgets. All of the card is checked at any budget.
    pub fn parse_at(
        text: &str,
        origin: &str,
        directory: &Path,
        budget: Option<&str>,
    ) -> Result<Self, SweepError> {
        let read = read(text, origin)?;
        check::card(read, directory, budget).map_err(|complaints| SweepError::Card {
            origin: origin.to_owned(),
            complaints,
        })
    }
}

/// Hash of the decision as a card's text states it, whatever has become of its base; `None` when the
/// text is no card any more.
pub(crate) fn criterion_hash_of(text: &str, budget: Option<&str>) -> Option<String> {
    let read = read(text, "card").ok()?;
    check::as_said(read, budget).map(|card| card.criterion_hash())
}

/// Reads the text. Misspelt keys, values of the wrong type, and what is wrong with the others are collected.
fn read(text: &str, origin: &str) -> Result<Read, SweepError> {
    let syntax = |error: toml::de::Error| SweepError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let table: Table = toml::from_str(text).map_err(syntax)?;
    let mut complaints = keys::misspelt(&table);
    let error = match toml::from_str(text) {
        Ok(card) => return Ok(Read { card, complaints }),
        Err(error) => error,
    };
    complaints.extend(misfits::<WireCard>(&table, &Table::new()));
    if complaints.is_empty() {
        return Err(syntax(error));
    }
    complaints.extend(of_the_others(&table, &complaints));
    Err(SweepError::Card {
        origin: origin.to_owned(),
        complaints,
    })
}

/// Complaints about values of the right type in a card that has others: so that a misspelt word is not found
/// only when all of those are mended. What is said of a value that is not there may follow from them.
fn of_the_others(table: &Table, complaints: &[Complaint]) -> Vec<Complaint> {
    let mut rest = places::without(table, complaints);
    let Ok(card) = Value::Table(rest.clone()).try_into() else {
        return Vec::new();
    };
    let read = Read {
        card,
        complaints: Vec::new(),
    };
    let mut found = check::complaints(read);
    found.retain(|complaint| places::is_value(&mut rest, &complaint.key));
    found
}
