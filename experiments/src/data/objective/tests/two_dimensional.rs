//! Block positions.

use super::*;
use std::collections::HashSet;

proptest! {
    /// 1, 2, .. from every sop on, whatever the first ids are.
    #[test]
    fn prop_block_positions_count_from_sop((config, seq_len) in settings(), kind in kinds(), seed: u64) {
        for part in parts(&row(kind, &config, seq_len, seed)) {
            let mut count = 0;
            for slot in 0..part.tokens.len() {
                count = match part.targets[slot] {
                    Some(_) if kind == Kind::Gpt => 0,
                    Some(_) if part.tokens[slot] == SPECIAL.sop => 1,
                    Some(_) => count + 1,
                    None => 0,
                };
                prop_assert_eq!(part.blocks[slot], count);
            }
        }
    }

    #[test]
    fn prop_two_dimensional_pieces_stand_at_their_blank((mut config, seq_len) in settings(), kind in kinds(), seed: u64) {
        config.mask_positions = MaskPositions::Span;
        let before = row(kind, &config, seq_len, seed);
        let after = before.clone().with_block_positions();
        for part in parts(&after) {
            for piece in part.pieces() {
                let position = part.positions[piece.start];
                let blank = part.tokens[position as usize];
                let expected = if kind == Kind::Gmask { SPECIAL.gmask } else { SPECIAL.mask };
                prop_assert_eq!(blank, expected);
                prop_assert!(part.positions[piece].iter().all(|p| *p == position));
            }
            prop_assert!(part.positions[part.used()..].iter().all(|p| *p == 0));
            // Both ids together tell all slots apart.
            let ids: HashSet<_> = part.positions.iter().zip(&part.blocks).take(part.used()).collect();
            prop_assert_eq!(ids.len(), part.used());
        }
        // Nothing else changes; [MASK] and gpt rows not at all.
        prop_assert_eq!(&after.clone().with_block_positions(), &after);
        if matches!(kind, Kind::Mask | Kind::Gpt) {
            prop_assert_eq!(&after, &before);
        }
        prop_assert_eq!(Sample { positions: before.positions.clone(), ..after }, before);
    }
}
