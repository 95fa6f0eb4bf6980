//! Decoding with a model whose every answer can be worked out by hand.

use super::*;
use crate::model::{log_sum_exp, up_to};
use crate::toy::Toy;
use proptest::prelude::*;

const VOCABULARY: usize = 7;
/// Ends answers.
const STOP: u32 = 6;

fn decoding(method: Method, max_tokens: usize) -> Decoding {
    Decoding {
        method,
        max_tokens,
        min_tokens: 0,
        no_repeat_ngram: 0,
        stop: vec![STOP],
        banned: vec![0],
        banned_first: Vec::new(),
    }
}

fn sampled(seed: u64) -> Method {
    Method::Sample {
        temperature: 1.0,
        top_k: None,
        top_p: None,
        seed,
    }
}

fn beams(beams: usize, length_penalty: f64) -> Method {
    Method::Beam {
        beams,
        length_penalty,
    }
}

fn prompt(context: &[u32]) -> Prompt {
    crate::prompt::layout_for_tests().at_blank(context.to_vec(), crate::Blank::Gmask)
}

fn answers(prompts: &[Prompt], decoding: &Decoding) -> Vec<Vec<Answer>> {
    let mut model = Toy::new(VOCABULARY, 20);
    decode(&mut model, prompts, decoding, &mut |_, _| ()).unwrap()
}

/// Logits behind a prompt and an answer, all read anew.
fn logits(prompt: &Prompt, answer: &[u32]) -> Vec<f32> {
    let mut rows = prompt.rows(0);
    for (index, token) in answer.iter().enumerate() {
        let sees = up_to(rows.len() + 1);
        rows.last_mut().unwrap().asks = false;
        rows.push(prompt.answer_row(0, index, *token, sees));
    }
    Toy::new(VOCABULARY, 20).read(&rows)
}

/// Log-probability of a token after what is ruled out has gone.
fn log_probability(prompt: &Prompt, answer: &[u32], token: u32) -> f64 {
    let mut logits = logits(prompt, answer);
    logits[0] = f32::NEG_INFINITY;
    f64::from(logits[token as usize]) - log_sum_exp(&logits)
}

#[test]
fn greedy_takes_the_likeliest_of_what_a_whole_pass_says() {
    let prompt = prompt(&[1, 2, 3]);
    let found = &answers(std::slice::from_ref(&prompt), &decoding(Method::Greedy, 6))[0][0];
    let mut sum = 0.0;
    for (index, token) in found.tokens.iter().enumerate() {
        let before = &found.tokens[..index];
        let all = logits(&prompt, before);
        let best = (1..VOCABULARY).map(|id| all[id]).fold(0.0, f32::max);
        assert_eq!(all[*token as usize], best);
        sum += f64::from(best) - log_sum_exp(&all);
    }
    if found.end == End::Stop {
        let all = logits(&prompt, &found.tokens);
        sum += f64::from(all[STOP as usize]) - log_sum_exp(&all);
    }
    assert!((found.log_probability - sum).abs() < 1e-9);
}

/// With more beams than there are texts the search finds the best of all texts, and ranks them.
#[test]
fn a_search_wide_enough_is_exhaustive() {
    for penalty in [0.0, 1.0, 2.0] {
        let prompt = prompt(&[2, 5]);
        let found = &answers(
            std::slice::from_ref(&prompt),
            &decoding(beams(300, penalty), 3),
        )[0];
        let mut all = Vec::new();
        let mut open = vec![(Vec::new(), 0.0)];
        while let Some((text, score)) = open.pop() {
            for token in 1..VOCABULARY as u32 {
                let score = score + log_probability(&prompt, &text, token);
                if token == STOP {
                    all.push((text.clone(), score, text.len() + 1));
                    continue;
                }
                let longer = [text.as_slice(), &[token]].concat();
                if longer.len() == 3 {
                    all.push((longer, score, 3));
                } else {
                    open.push((longer, score));
                }
            }
        }
        let rank = |(_, score, tokens): &(Vec<u32>, f64, usize)| {
            score / ((5.0 + (prompt.len() + tokens) as f64) / 6.0).powf(penalty)
        };
        all.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        assert_eq!(found.len(), all.len());
        for (found, (text, score, _)) in found.iter().zip(&all) {
            assert_eq!(&found.tokens, text, "penalty {penalty}");
            assert!((found.log_probability - score).abs() < 1e-9);
        }
    }
}

#[test]
fn what_is_ruled_out_never_comes() {
    let prompts: Vec<Prompt> = (1..6).map(|token| prompt(&[token, 3])).collect();
    for method in [Method::Greedy, sampled(4), beams(3, 1.0)] {
        let decoding = Decoding {
            min_tokens: 4,
            no_repeat_ngram: 2,
            banned_first: vec![1, 2, 3],
            ..decoding(method, 9)
        };
        for (prompt, answers) in prompts.iter().zip(answers(&prompts, &decoding)) {
            for Answer { tokens, .. } in answers {
                assert!(tokens.len() >= 4 && tokens[0] > 3, "{tokens:?}");
                assert!(
                    !tokens.contains(&0) && !tokens.contains(&STOP),
                    "{tokens:?}"
                );
                let all = [&prompt.context[..], &prompt.causal, &tokens].concat();
                let pairs: Vec<_> = all.windows(2).collect();
                for (index, pair) in pairs.iter().enumerate().skip(prompt.len()) {
                    // A pair whose first copy was given may come once.
                    let generated = &pairs[prompt.len() - 1..index];
                    assert!(!generated.contains(pair), "{method:?} {tokens:?}");
                }
            }
        }
    }
}

#[test]
fn answers_end_where_the_slots_do_and_where_nothing_is_left() {
    let long = prompt(&[1; 19]);
    let never = Decoding {
        stop: Vec::new(),
        ..decoding(Method::Greedy, 50)
    };
    // The text and sop leave none of 20 slots; the last token of an answer needs none.
    assert_eq!(answers(&[long], &never)[0][0].tokens.len(), 1);
    for method in [Method::Greedy, sampled(1), beams(2, 1.0)] {
        let nothing = Decoding {
            method,
            banned: (0..VOCABULARY as u32).collect(),
            ..never.clone()
        };
        let found = &answers(&[prompt(&[1])], &nothing)[0][0];
        assert_eq!((found.tokens.len(), found.end), (0, End::NothingLeft));
        let none = Decoding {
            max_tokens: 0,
            ..nothing
        };
        assert_eq!(answers(&[prompt(&[1])], &none)[0][0].end, End::Length);
    }
}

/// Logits that are no numbers.
struct Broken;

impl Model for Broken {
    fn vocabulary(&self) -> usize {
        VOCABULARY
    }

    fn slots(&self) -> usize {
        20
    }

    fn clear(&mut self) {}

    fn read(&mut self, rows: &[Row]) -> Vec<f32> {
        vec![f32::NAN; VOCABULARY * rows.iter().filter(|row| row.asks).count()]
    }
}

#[test]
fn a_model_without_numbers_is_an_error_and_no_answer() {
    for method in [Method::Greedy, sampled(1), beams(2, 1.0)] {
        let found = decode(
            &mut Broken,
            &[prompt(&[1])],
            &decoding(method, 3),
            &mut |_, _| (),
        );
        assert_eq!(found, Err(NotFinite));
    }
}

proptest! {
    /// The other prompts of a batch change nothing, and what was told as certain is what comes out.
    #[test]
    fn prompts_are_answered_alike_alone_and_together(
        contexts in prop::collection::vec(prop::collection::vec(1_u32..6, 1..8), 1..5),
        seed: u64,
        kind in 0_usize..3,
    ) {
        let prompts: Vec<Prompt> = contexts.iter().map(|context| prompt(context)).collect();
        let method = [Method::Greedy, sampled(seed), beams(3, 1.0)][kind];
        let decoding = decoding(method, 6);
        let mut told = vec![Vec::new(); prompts.len()];
        let mut model = Toy::new(VOCABULARY, 20);
        let together = decode(&mut model, &prompts, &decoding, &mut |number, token| {
            told[number].push(token);
        })?;
        for (number, found) in together.iter().enumerate() {
            if kind < 2 {
                prop_assert_eq!(&told[number], &found[0].tokens);
            }
            // Chance is that of the prompt's number.
            if kind != 1 || number == 0 {
                let alone = answers(&prompts[number..=number], &decoding);
                prop_assert_eq!(&alone[0], found);
            }
        }
        prop_assert_eq!(&answers(&prompts, &decoding), &together);
    }
}
