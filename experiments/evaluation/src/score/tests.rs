//! Log-likelihoods with a model whose logits can be worked out by hand.

use super::*;
use crate::Blank;
use crate::model::up_to;
use crate::prompt::layout_for_tests;
use crate::toy::Toy;
use proptest::prelude::*;

const VOCABULARY: usize = 9;

fn prompt(context: &[u32]) -> Prompt {
    layout_for_tests().at_blank(context.to_vec(), Blank::Gmask)
}

/// Every token behind the prompt and the tokens before it, each read anew.
fn one_by_one(prompt: &Prompt, choice: &[u32]) -> Vec<f64> {
    let of = |index: usize| {
        let mut rows = prompt.rows(0);
        for (at, token) in choice[..index].iter().enumerate() {
            rows.last_mut().unwrap().asks = false;
            let sees = up_to(rows.len() + 1);
            rows.push(prompt.answer_row(0, at, *token, sees));
        }
        let logits = Toy::new(VOCABULARY, 99).read(&rows);
        f64::from(logits[choice[index] as usize]) - log_sum_exp(&logits)
    };
    (0..choice.len()).map(of).collect()
}

proptest! {
    /// The block-diagonal mask: a choice has the log-probabilities that it has alone.
    #[test]
    fn choices_of_one_pass_are_as_if_each_were_read_alone(
        items in prop::collection::vec(
            (prop::collection::vec(1_u32..9, 1..6), prop::collection::vec(prop::collection::vec(0_u32..9, 1..5), 1..5)),
            1..4,
        ),
    ) {
        let items: Vec<Choosing> = items
            .into_iter()
            .map(|(context, choices)| Choosing { prompt: prompt(&context), choices })
            .collect();
        let mut model = Toy::new(VOCABULARY, 99);
        let found = choice_log_probabilities(&mut model, &items)?;
        let rows: usize = items.iter().map(Choosing::rows).sum();
        prop_assert_eq!(model.rows, rows, "what choices share is read once");
        for (item, found) in items.iter().zip(found) {
            for (choice, found) in item.choices.iter().zip(found) {
                let alone = one_by_one(&item.prompt, choice);
                prop_assert_eq!(found.len(), alone.len());
                for (found, alone) in found.iter().zip(alone) {
                    prop_assert!((found - alone).abs() < 1e-9);
                }
            }
        }
    }

    /// Every token but the first is predicted once, in order, and no window is wider than its slots.
    #[test]
    fn windows_predict_every_token_once(len in 0_usize..300, slots in 3_usize..40, step in 1_usize..50) {
        let all = windows(len, slots, step);
        let predicted: Vec<usize> = all.iter().flat_map(|window| window.predicted.clone()).collect();
        prop_assert_eq!(predicted, (1..len.max(1)).collect::<Vec<_>>());
        for window in all {
            prop_assert_eq!(window.given.end, window.predicted.start);
            prop_assert!(!window.given.is_empty());
            // The blank takes a slot, sop that of the last token, which is not read.
            prop_assert!(window.predicted.end - window.given.start < slots);
        }
    }
}

#[test]
fn windows_are_those_of_the_original() {
    // 10 slots and steps of 4: one token given and 8 predicted, then 5 given and 4 predicted.
    let all = windows(18, 10, 4);
    let pairs: Vec<_> = all
        .iter()
        .map(|w| (w.given.clone(), w.predicted.clone()))
        .collect();
    assert_eq!(
        pairs,
        [
            (0..1, 1..9),
            (4..9, 9..13),
            (8..13, 13..17),
            (12..17, 17..18)
        ]
    );
}

#[test]
fn a_window_asks_for_its_predicted_tokens_behind_what_is_given() {
    let layout = layout_for_tests();
    let tokens = [3, 1, 4, 1, 5, 2, 6];
    let window = Window {
        given: 1..4,
        predicted: 4..7,
    };
    let how = Reading {
        use_task_mask: true,
        unidirectional: false,
    };
    let item = window.item(&layout, &tokens, how);
    assert_eq!(item.prompt.context, [1, 4, 1, layout.special.gmask]);
    assert_eq!(item.choices, [[5, 2, 6]]);
}
