//! `[gMASK]`

use super::*;

#[test]
fn layout_is_that_of_the_collator() {
    let config = ObjectiveConfig {
        min_gmask_ratio: 1.0,
        ..default()
    };
    let sample = sample_gmask(&config, &SPECIAL, &text(3), 5, &mut stream(1, "t", 0));
    let SpecialIds {
        gmask, sop, pad, ..
    } = SPECIAL;
    assert_eq!(sample.tokens, [gmask, sop, 0, 1, pad]);
    assert_eq!(sample.targets, [None, Some(0), Some(1), Some(2), None]);
    assert_eq!(sample.positions, [0, 1, 2, 3, 0]);
    assert_eq!(sample.block_positions, [0, 1, 2, 3, 0]);
    assert_eq!(sample.segments[0].prefix, 1);
}

proptest! {
    #[test]
    fn prop_gmask_generates_the_rest_of_its_text((config, seq_len) in settings(), seed: u64) {
        let part = &parts(&row(Kind::Gmask, &config, seq_len, seed))[0];
        let text = text(text_len(Kind::Gmask, &config, seq_len));
        let (blank, shown) = part.source().split_last().unwrap();
        prop_assert_eq!(*blank, SPECIAL.gmask);
        let pieces = part.pieces();
        prop_assert_eq!(pieces.len(), 1);
        prop_assert_eq!(pieces[0].start, part.prefix);
        // No eop, and nothing lost.
        let hidden = part.targets(pieces[0].clone());
        prop_assert_eq!([shown, &hidden].concat(), text);
    }

    #[test]
    fn prop_gmask_generates_at_least_the_least_share((config, seq_len) in settings(), seed: u64) {
        let sample = row(Kind::Gmask, &config, seq_len, seed);
        let len = text_len(Kind::Gmask, &config, seq_len);
        let least = (config.min_gmask_ratio * len as f64).floor().max(1.0) as usize;
        prop_assert!((least..=len).contains(&sample.target_count()));
    }

    #[test]
    fn prop_gmask_positions_count_on((mut config, seq_len) in settings(), seed: u64) {
        config.gmask_positions = GmaskPositions::Plain;
        let part = &parts(&row(Kind::Gmask, &config, seq_len, seed))[0];
        let used = part.used();
        prop_assert_eq!(&part.positions[..used], text(used));
    }

    #[test]
    fn prop_shifted_sop_shares_the_position_of_the_blank((mut config, seq_len) in settings(), seed: u64) {
        config.gmask_positions = GmaskPositions::Shifted;
        let part = &parts(&row(Kind::Gmask, &config, seq_len, seed))[0];
        prop_assert_eq!(part.positions[part.prefix], part.positions[part.prefix - 1]);
        for slot in part.prefix..part.used() {
            prop_assert_eq!(part.positions[slot] as usize, slot - 1);
        }
    }
}

/// Uniform over the integers from a fifth of the text to all of it.
#[test]
fn generated_length_is_uniform() {
    let (seq_len, draws) = (62, 100_000);
    let mut counts = vec![0; 61 - 12 + 1];
    let text = text(61);
    let mut rng = stream(1, "gmask lengths", 0);
    for _ in 0..draws {
        let sample = sample_gmask(&default(), &SPECIAL, &text, seq_len, &mut rng);
        counts[sample.target_count() - 12] += 1;
    }
    assert_uniform(&counts);
}
