//! `[MASK]`

use super::*;

/// The text of a sub-sample, its blanks filled: every piece stands at the position of its blank.
fn restored(part: &Part) -> Vec<u32> {
    let pieces = part.pieces();
    let mut text = Vec::new();
    for (slot, token) in part.source().iter().enumerate() {
        if *token == SPECIAL.mask {
            let at = |piece: &&Range<usize>| part.positions[piece.start] as usize == slot;
            let targets = part.targets(pieces.iter().find(at).unwrap().clone());
            text.extend_from_slice(&targets[..targets.len() - 1]);
        } else {
            text.push(*token);
        }
    }
    text
}

fn fitted((config, seq_len): (ObjectiveConfig, usize)) -> (ObjectiveConfig, usize) {
    let config = ObjectiveConfig {
        packing: Packing::Fitted,
        mask_positions: MaskPositions::Span,
        ..config
    };
    (config, seq_len)
}

#[test]
fn a_span_counts_as_one_position_and_ends_with_eop() {
    // One span of one or two tokens in six.
    let config = ObjectiveConfig {
        max_span: 2,
        span_lambda: 2.0,
        single_span_prob: 1.0,
        ..default()
    };
    let SpecialIds {
        mask,
        sop,
        eop,
        pad,
        ..
    } = SPECIAL;
    let sample = (0..100)
        .map(|i| sample_mask(&config, &SPECIAL, &[text(6)], 9, &mut stream(1, "t", i)))
        .find(|sample| sample.tokens[1] == mask && sample.tokens[2] == 3)
        .unwrap();
    assert_eq!(sample.tokens, [0, mask, 3, 4, 5, sop, 1, 2, pad]);
    assert_eq!(sample.positions, [0, 1, 2, 3, 4, 1, 1, 1, 0]);
    assert_eq!(sample.block_positions, [0, 0, 0, 0, 0, 1, 2, 3, 0]);
    assert_eq!(sample.targets[5..], [Some(1), Some(2), Some(eop), None]);
    assert_eq!(sample.segments[0].prefix, 5);
}

proptest! {
    #[test]
    fn prop_mask_loses_nothing((config, seq_len) in settings().prop_map(fitted), seed: u64) {
        let len = text_len(Kind::Mask, &config, seq_len);
        for part in parts(&row(Kind::Mask, &config, seq_len, seed)) {
            let restored = restored(&part);
            prop_assert_eq!(&restored, &text(restored.len()));
            prop_assert!(restored.len() == len || (32..len).contains(&restored.len()), "{}", restored.len());
        }
    }

    #[test]
    fn prop_spans_are_apart((config, seq_len) in settings(), seed: u64) {
        for part in parts(&row(Kind::Mask, &config, seq_len, seed)) {
            let blanks = part.source().windows(2).filter(|pair| *pair == [SPECIAL.mask; 2]);
            prop_assert_eq!(blanks.count(), 0);
        }
    }

    #[test]
    fn prop_every_blank_is_filled_up_to_eop((config, seq_len) in settings().prop_map(fitted), seed: u64) {
        for part in parts(&row(Kind::Mask, &config, seq_len, seed)) {
            let blanks = part.source().iter().filter(|t| **t == SPECIAL.mask).count();
            let pieces = part.pieces();
            prop_assert!(blanks >= 1);
            prop_assert_eq!(pieces.len(), blanks);
            prop_assert_eq!(pieces[0].start, part.prefix);
            for piece in pieces {
                let targets = part.targets(piece);
                prop_assert!((2..=config.max_span + 1).contains(&targets.len()));
                prop_assert_eq!(targets.iter().rposition(|t| *t == SPECIAL.eop), Some(targets.len() - 1));
                prop_assert_eq!(targets.iter().position(|t| *t == SPECIAL.eop), Some(targets.len() - 1));
            }
        }
    }

    /// Positions as the original counts them: along the whole text, hidden tokens after the first
    /// of a span not counted.
    #[test]
    fn prop_a_span_counts_as_one_position((config, seq_len) in settings().prop_map(fitted), seed: u64) {
        for part in parts(&row(Kind::Mask, &config, seq_len, seed)) {
            let pieces = part.pieces();
            let uncounted: Vec<u32> = pieces.iter().flat_map(|piece| {
                let targets = part.targets(piece.clone());
                targets[1..targets.len() - 1].to_vec()
            }).collect();
            let position = |token: u32| token - uncounted.iter().filter(|t| **t <= token).count() as u32;
            for slot in (0..part.prefix).filter(|slot| part.tokens[*slot] != SPECIAL.mask) {
                prop_assert_eq!(part.positions[slot], position(part.tokens[slot]));
            }
            for piece in pieces {
                let first = position(part.targets[piece.start].unwrap());
                prop_assert!(part.positions[piece].iter().all(|p| *p == first));
            }
        }
    }

    #[test]
    fn prop_plain_mask_positions_count_on((mut config, seq_len) in settings(), seed: u64) {
        config.mask_positions = MaskPositions::Plain;
        let plain = row(Kind::Mask, &config, seq_len, seed);
        for part in parts(&plain) {
            let used = part.used();
            prop_assert_eq!(&part.positions[..used], text(used));
        }
        // Nothing else depends on it.
        config.mask_positions = MaskPositions::Span;
        let span = row(Kind::Mask, &config, seq_len, seed);
        prop_assert_eq!(Sample { positions: plain.positions.clone(), ..span }, plain);
    }

    /// `original` is the whole sub-sample, cut at the window.
    #[test]
    fn prop_original_packing_cuts_targets_only((config, window) in settings(), seed: u64) {
        let config = ObjectiveConfig { packing: Packing::Original, aggregated_samples: 1, ..config };
        let text = [text(text_len(Kind::Mask, &config, window))];
        let draw = |slots| sample_mask(&config, &SPECIAL, &text, slots, &mut stream(seed, "t", 0));
        let (cut, whole) = (draw(window), draw(3 * window));
        prop_assert_eq!(&cut.tokens, &whole.tokens[..window]);
        prop_assert_eq!(&cut.targets, &whole.targets[..window]);
        prop_assert_eq!(&cut.positions, &whole.positions[..window]);
        prop_assert_eq!(cut.segments[0].prefix, whole.segments[0].prefix);
    }

    /// `fitted` is the whole sub-sample with as few of its spans left unmasked as need be.
    #[test]
    fn prop_fitted_packing_leaves_few_spans_out((config, seq_len) in settings().prop_map(fitted), seed: u64) {
        for part in parts(&row(Kind::Mask, &config, seq_len, seed)) {
            let (len, spans) = (restored(&part).len(), part.pieces().len());
            prop_assert_eq!(part.used(), len + 2 * spans);
            prop_assert!(part.used() <= part.tokens.len());
        }
    }

    /// Sub-samples have their own texts.
    #[test]
    fn prop_sub_samples_keep_to_their_windows((config, seq_len) in settings(), seed: u64) {
        let len = text_len(Kind::Mask, &config, seq_len);
        let texts: Vec<_> = (1..=config.aggregated_samples).map(|i| vec![i as u32; len]).collect();
        let sample = sample_mask(&config, &SPECIAL, &texts, seq_len, &mut stream(seed, "t", 0));
        for (part, i) in parts(&sample).iter().zip(1..) {
            let tokens = part.tokens.iter().chain(part.targets.iter().flatten());
            prop_assert!(tokens.copied().all(|t| t == i || t >= SPECIAL.mask));
            prop_assert_eq!(part.positions[0], 0);
        }
    }
}
