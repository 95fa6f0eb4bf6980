//! Last words.

use super::*;
use crate::data::objective::sample_last_word;
use experiments_config::ObjectiveMode;

fn of(mode: ObjectiveMode, context: usize, word: usize) -> Sample {
    let config = ObjectiveConfig { mode, ..default() };
    let text = text(context + word);
    let (context, word) = text.split_at(context);
    sample_last_word(
        &config,
        &SPECIAL,
        context,
        word,
        context.len() + word.len() + 3,
    )
}

proptest! {
    /// The comparison of the two modes rests on it: the same words after the same text, and no slot sees
    /// what it has to predict.
    #[test]
    fn prop_both_modes_are_asked_for_the_same(context in 1_usize..20, word in 1_usize..6) {
        for mode in [ObjectiveMode::Glm, ObjectiveMode::Gpt] {
            let sample = of(mode, context, word);
            let expected: Vec<u32> = (context..context + word).map(|t| t as u32).collect();
            let asked: Vec<u32> = sample.targets.iter().flatten().copied().collect();
            prop_assert_eq!(&asked, &expected);
            for (slot, target) in sample.targets.iter().enumerate() {
                let Some(target) = target else { continue };
                let seen: Vec<u32> = (0..sample.tokens.len())
                    .filter(|to| sample.may_attend(slot, *to))
                    .map(|to| sample.tokens[to])
                    .filter(|token| *token < SPECIAL.mask)
                    .collect();
                let before: Vec<u32> = (0..*target).collect();
                prop_assert_eq!(seen, before);
            }
        }
    }
}

#[test]
fn only_glm_reads_the_context_in_both_directions() {
    assert!(of(ObjectiveMode::Glm, 5, 2).may_attend(0, 4));
    assert!(!of(ObjectiveMode::Gpt, 5, 2).may_attend(0, 4));
}
