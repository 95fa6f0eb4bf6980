//! Reads the text of a card.

use crate::SweepError;
use crate::card::check;
use crate::card::wire::{Read, WireCard, keys, places};
use experiments_config::{Complaint, misfits};
use toml::{Table, Value};

/// Reads the text. Misspelt keys, values of the wrong type, and what is wrong with the others are collected.
pub(super) fn read(text: &str, origin: &str) -> Result<Read, SweepError> {
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
