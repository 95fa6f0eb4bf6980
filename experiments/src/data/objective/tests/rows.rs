//! What holds for every row.

use super::*;

proptest! {
    #[test]
    fn prop_rows_are_whole_and_segments_cover_them((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        let sample = row(kind, &config, seq_len, seed);
        prop_assert_eq!(sample.kind, kind);
        prop_assert_eq!(sample.tokens.len(), seq_len);
        prop_assert_eq!(sample.positions.len(), seq_len);
        prop_assert_eq!(sample.block_positions.len(), seq_len);
        prop_assert_eq!(sample.targets.len(), seq_len);
        prop_assert_eq!(sample.segments.len(), sub_samples(kind, &config));
        let mut next = 0;
        for segment in &sample.segments {
            prop_assert_eq!(segment.start, next);
            prop_assert_eq!(segment.len, seq_len / sample.segments.len());
            prop_assert!(segment.prefix < segment.len);
            next += segment.len;
        }
        prop_assert_eq!(next, seq_len);
    }

    /// The loss of a row is a mean over its targets.
    #[test]
    fn prop_every_sub_sample_has_a_target((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        let sample = row(kind, &config, seq_len, seed);
        let counts: Vec<_> = parts(&sample).iter().map(|part| part.targets.iter().flatten().count()).collect();
        prop_assert!(counts.iter().all(|count| *count > 0), "{:?}", counts);
        prop_assert_eq!(sample.target_count(), counts.iter().sum::<usize>());
    }

    /// Targets are exactly the slots between the prefix and the padding, and the input of such a
    /// slot is the target of the slot before it, or sop.
    #[test]
    fn prop_targets_are_the_next_inputs((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        for part in parts(&row(kind, &config, seq_len, seed)) {
            for slot in 0..part.tokens.len() {
                let has_target = (part.prefix..part.used()).contains(&slot);
                prop_assert_eq!(part.targets[slot].is_some(), has_target);
                if has_target && slot > part.prefix && part.tokens[slot] != SPECIAL.sop {
                    prop_assert_eq!(part.targets[slot - 1], Some(part.tokens[slot]));
                }
                prop_assert!(!matches!(part.targets[slot], Some(t) if t == SPECIAL.sop || t == SPECIAL.pad));
            }
        }
    }

    /// Against the definition, slot by slot: a square of its own for every segment.
    #[test]
    fn prop_attention_is_block_diagonal_with_a_full_prefix((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        let sample = row(kind, &config, seq_len, seed);
        let mut allowed = vec![false; seq_len * seq_len];
        for segment in &sample.segments {
            for from in 0..segment.len {
                for to in 0..segment.len {
                    allowed[(segment.start + from) * seq_len + segment.start + to] = to < segment.prefix || to <= from;
                }
            }
        }
        for (i, allowed) in allowed.iter().enumerate() {
            prop_assert_eq!(sample.may_attend(i / seq_len, i % seq_len), *allowed);
        }
        prop_assert!(!sample.may_attend(0, seq_len) && !sample.may_attend(seq_len, 0));
    }

    /// What a slot with a target sees tells nothing about padding.
    #[test]
    fn prop_no_target_sees_padding((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        let sample = row(kind, &config, seq_len, seed);
        let padding: Vec<_> = (0..seq_len).filter(|slot| sample.tokens[*slot] == SPECIAL.pad).collect();
        for from in (0..seq_len).filter(|slot| sample.targets[*slot].is_some()) {
            prop_assert!(padding.iter().all(|to| !sample.may_attend(from, *to)));
        }
    }

    #[test]
    fn prop_positions_start_at_zero_and_stay_in_the_window((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        for part in parts(&row(kind, &config, seq_len, seed)) {
            prop_assert_eq!(part.positions[0], 0);
            prop_assert!(part.positions.iter().all(|p| (*p as usize) < part.tokens.len()));
            // A source slot is a position: its place among the slots.
            for slot in 0..part.prefix {
                prop_assert_eq!(part.positions[slot] as usize, slot);
                prop_assert_eq!(part.blocks[slot], 0);
            }
            for slot in part.used()..part.tokens.len() {
                prop_assert_eq!((part.positions[slot], part.blocks[slot]), (0, 0));
            }
        }
    }

    #[test]
    fn prop_the_same_stream_gives_the_same_row((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        prop_assert_eq!(row(kind, &config, seq_len, seed), row(kind, &config, seq_len, seed));
    }

    /// With `fitted` nothing a sub-sample says is cut, and its text takes all slots it can.
    #[test]
    fn prop_text_fits_its_window((config, seq_len) in settings()) {
        let window = seq_len / config.aggregated_samples;
        prop_assert_eq!(text_len(Kind::Gpt, &config, seq_len), seq_len + 1);
        let (gmask, mask) = (text_len(Kind::Gmask, &config, seq_len), text_len(Kind::Mask, &config, seq_len));
        prop_assert!((1..seq_len).contains(&gmask) && (2..window).contains(&mask));
        if config.packing == Packing::Fitted {
            prop_assert_eq!(gmask, seq_len - 1);
            // One more token would not leave room for the spans it is expected to have.
            let spans = |len: usize| config.mask_ratio * len as f64 / SpanLength::of(&config).mean();
            prop_assert!(mask == 2 || mask as f64 + 2.0 * (spans(mask) + 1.0) <= window as f64 + 1e-9);
            prop_assert!((mask + 1) as f64 + 2.0 * (spans(mask + 1) + 1.0) > window as f64 - 1e-9);
        }
    }
}

#[test]
fn original_packing_has_the_sizes_of_glm_130b() {
    let config = ObjectiveConfig {
        packing: Packing::Original,
        aggregated_samples: 4,
        ..default()
    };
    assert_eq!(text_len(Kind::Gmask, &config, 2048), 2000);
    assert_eq!(text_len(Kind::Mask, &config, 2048), 500);
    assert_eq!(sub_samples(Kind::Gmask, &config), 1);
    assert_eq!(sub_samples(Kind::Mask, &config), 4);
    assert_eq!(sub_samples(Kind::Task, &config), 4);
    assert_eq!(sub_samples(Kind::Gpt, &config), 1);
}

/// The draws belong to the data order: the same on every platform and for good.
#[test]
fn draws_do_not_change() {
    let SpecialIds { mask, sop, pad, .. } = SPECIAL;
    let config = ObjectiveConfig {
        aggregated_samples: 2,
        ..default()
    };
    let mut hasher = blake3::Hasher::new();
    for seed in 0..200 {
        for kind in [Kind::Gmask, Kind::Mask, Kind::Task] {
            let sample = row(kind, &config, 400, seed);
            for slot in sample.tokens.iter().chain(&sample.positions) {
                hasher.update(&slot.to_le_bytes());
            }
        }
    }
    let sample = row(Kind::Mask, &config, 32, 7);
    let first = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, mask, sop, 10, 11, pad, pad];
    let second = [mask, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, sop, 0, 1, pad, pad];
    assert_eq!(sample.tokens, [first, second].concat());
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "a306007101894fdd88e926dcdb95837bb9c55c397b48ae263e1852b47c1a8396"
    );
}
