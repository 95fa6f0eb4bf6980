//! One card per mistake, and every card that ships with the program.

use std::path::{Path, PathBuf};
use sweeps::{Card, Plan};

fn cards_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no cards in {}", folder.display());
    found
}

/// Each file says in its first line, after `# error: `, a part of the message it must get, and
/// must get no other complaint.
#[test]
fn every_invalid_card_gets_its_message() {
    for path in cards_in("tests/invalid_cards") {
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# error: "))
            .unwrap_or_else(|| panic!("{}: no `# error: ` line", path.display()));
        let message = match Card::load(&path) {
            Ok(_) => panic!("{} was accepted", path.display()),
            Err(error) => error.to_string(),
        };
        assert!(
            message.contains(expected),
            "{}: expected `{expected}` in\n{message}",
            path.display()
        );
        assert!(
            message.contains(&path.display().to_string()),
            "the message names the file: {message}"
        );
        let complaints = message
            .lines()
            .filter(|line| line.starts_with("  `"))
            .count();
        assert!(
            complaints <= 1,
            "{}: one mistake, but\n{message}",
            path.display()
        );
    }
}

#[test]
fn every_shipped_card_expands() {
    for path in cards_in("../experiments/cards") {
        let card = Card::load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            path.file_stem().and_then(|stem| stem.to_str()),
            Some(card.name.as_str()),
            "a card is named like its file"
        );
        assert!(!Plan::expand(&card, &[]).unwrap().runs.is_empty());
    }
}
