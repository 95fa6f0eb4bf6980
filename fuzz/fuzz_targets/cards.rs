//! Cards: any text is refused with an error or becomes a card, and a small one can be planned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use sweeps::{Card, Plan};

fuzz_target!(|text: &str| {
    for budget in [None, Some("smoke")] {
        let Ok(card) = Card::parse_at(text, "card", Path::new("/nonexistent"), budget) else {
            continue;
        };
        assert_eq!(card.hash(), card.clone().hash());
        // A plan resolves the configuration of every run: a large one would take all of the time.
        if card.seeds.len() < 10 && card.axes.values().all(|values| values.len() < 5) {
            let _ = Plan::expand(&card, &[]);
        }
    }
});
