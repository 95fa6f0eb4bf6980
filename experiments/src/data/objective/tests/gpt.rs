//! The control.

use super::*;

#[test]
fn every_next_token_is_predicted() {
    let sample = sample_gpt(&text(5), 4);
    assert_eq!(sample.tokens, [0, 1, 2, 3]);
    assert_eq!(sample.targets, [1, 2, 3, 4].map(Some));
    assert_eq!(sample.positions, [0, 1, 2, 3]);
    assert_eq!(sample.block_positions, [0; 4]);
    assert!(sample.may_attend(2, 2) && sample.may_attend(2, 1) && !sample.may_attend(1, 2));
}

proptest! {
    #[test]
    fn prop_gpt_predicts_every_next_token((config, seq_len) in settings(), seed: u64) {
        let sample = row(Kind::Gpt, &config, seq_len, seed);
        let text = text(seq_len + 1);
        prop_assert_eq!(&sample.tokens, &text[..seq_len]);
        prop_assert_eq!(&sample.positions, &text[..seq_len]);
        let targets: Vec<_> = sample.targets.iter().flatten().copied().collect();
        prop_assert_eq!(targets, &text[1..]);
        prop_assert_eq!(sample.segments[0].prefix, 0);
    }
}
