//! One card per mistake, and every card that ships with the program.

use std::path::{Path, PathBuf};
use sweeps::{Card, CardResult, Plan, Role};

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
    let wrong: Vec<String> = cards_in("tests/invalid_cards")
        .iter()
        .filter_map(|path| problem(path))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the message that an invalid card gets.
fn problem(path: &Path) -> Option<String> {
    let file = path.display();
    let text = std::fs::read_to_string(path).expect("the file was listed");
    let first = text.lines().next().unwrap_or_default();
    let Some(expected) = first.strip_prefix("# error: ") else {
        return Some(format!("{file}: no `# error: ` line"));
    };
    let Err(error) = Card::load(path) else {
        return Some(format!("{file} was accepted"));
    };
    let message = error.to_string();
    if !message.contains(expected) {
        return Some(format!("{file}: expected `{expected}` in\n{message}"));
    }
    if !message.contains(&file.to_string()) {
        return Some(format!("the message does not name the file: {message}"));
    }
    let complaints = message.lines().filter(|line| line.starts_with("  `"));
    (complaints.count() > 1).then(|| format!("{file}: one mistake, but\n{message}"))
}

/// Names of the budgets in a card's text.
fn budgets(text: &str) -> Vec<&str> {
    let headings = text
        .lines()
        .filter_map(|line| line.strip_prefix("[budget."));
    headings.filter_map(|rest| rest.strip_suffix(']')).collect()
}

/// A card that is refused at a budget would be found out only when someone has an hour for it.
#[test]
fn every_shipped_card_loads_at_each_of_its_budgets() {
    for path in cards_in("../experiments/cards") {
        let text = std::fs::read_to_string(&path).unwrap();
        let budgets = budgets(&text);
        if !path.ends_with("quickstart.toml") {
            assert_eq!(budgets, ["smoke", "cpu"], "{}", path.display());
        }
        let whole = Card::load(&path).unwrap();
        for budget in budgets {
            let loaded = Card::load_with_text(&path, Some(budget));
            let (card, kept) = loaded.unwrap_or_else(|error| panic!("{budget}: {error}"));
            assert_eq!(kept, text, "a sweep keeps the file as it is");
            assert_eq!(card.budget.as_deref(), Some(budget));
            assert_eq!(card.is_smoke(), budget == "smoke");
            let place = format!("{} at {budget}", path.display());
            let plan = Plan::expand(&card, &[]).unwrap();
            let all = Plan::expand(&whole, &[]).unwrap();
            assert!(
                !plan.runs.is_empty() && plan.runs.len() <= all.runs.len(),
                "{place}"
            );
            let decides = card.criteria.iter().any(|c| c.role == Role::Confirmatory);
            assert!(
                decides || card.is_smoke() || card.is_exploration(),
                "{place}: nothing would be decided"
            );
            if let Some(figure) = card.figure.as_ref().filter(|_| !card.is_smoke()) {
                assert!(
                    !card.arms_at(&figure.at).is_empty(),
                    "{place}: an empty figure"
                );
            }
        }
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

/// Results outlive the version that wrote them: what they do not have was not yet decided on.
#[test]
fn every_kept_result_is_still_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/results");
    let results = CardResult::load_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert!(results.len() >= 12);
    let kept = serde_json::to_string(&results[0]).unwrap();
    let again: CardResult = serde_json::from_str(&kept).unwrap();
    assert_eq!(again, results[0]);
}

/// What their authors expect makes the criteria hold, in more sweeps than chance would.
#[test]
fn every_shipped_card_has_power_for_what_it_expects() {
    for path in cards_in("../experiments/cards") {
        let card = Card::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let designs = Plan::expand(&card, &[]).unwrap().designs();
        for (design, criterion) in designs.criteria.iter().zip(&card.criteria) {
            let place = format!("{}: {}", path.display(), design.criterion);
            assert_eq!(
                design.power.is_some(),
                criterion.expect.is_some(),
                "{place}"
            );
            assert!(
                design.power.is_none_or(|power| power.share > 0.2),
                "{place}"
            );
        }
    }
}
