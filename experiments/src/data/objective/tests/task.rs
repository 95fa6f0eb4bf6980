//! Tasks.

use super::*;

fn one(config: &ObjectiveConfig, text: &[u32], target: &[u32], window: usize) -> Part {
    let sample = sample_task(config, &SPECIAL, &[(text, target)], window);
    parts(&sample).remove(0)
}

#[test]
fn layout_is_that_of_the_collator() {
    let part = one(&default(), &[1, 2], &[3, 4], 8);
    let SpecialIds {
        mask,
        sop,
        eop,
        pad,
        ..
    } = SPECIAL;
    assert_eq!(part.tokens, [1, 2, mask, sop, 3, 4, pad, pad]);
    let targets = [None, None, None, Some(3), Some(4), Some(eop), None, None];
    assert_eq!(part.targets, targets);
    assert_eq!(part.positions, [0, 1, 2, 3, 4, 5, 0, 0]);
    assert_eq!(part.blocks, [0, 0, 0, 1, 2, 3, 0, 0]);
    assert_eq!(part.prefix, 3);
}

/// As the original: the text keeps its head, a quarter of the window at least; then the target is
/// cut, and its end is still predicted.
#[test]
fn too_long_a_task_loses_text_before_target() {
    let [a, b, long] = [[1; 5].as_slice(), &[2; 5], &[2; 20]];
    let SpecialIds { mask, sop, eop, .. } = SPECIAL;
    let part = one(&default(), a, b, 8);
    assert_eq!(part.tokens, [1, 1, mask, sop, 2, 2, 2, 2]);
    assert_eq!(part.targets[6..], [Some(2), Some(eop)]);
    let part = one(&default(), a, long, 12);
    assert_eq!(part.tokens, [1, 1, 1, mask, sop, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(part.targets[11], Some(eop));
}

proptest! {
    #[test]
    fn prop_tasks_lie_in_windows_of_their_own(
        (config, seq_len) in settings(),
        lens in prop::collection::vec((0_usize..200, 0_usize..200), 4),
    ) {
        let window = seq_len / config.aggregated_samples;
        let tasks: Vec<(Vec<u32>, Vec<u32>)> = lens[..config.aggregated_samples]
            .iter()
            .zip(1_u32..)
            .map(|((text, target), i)| (vec![i; *text], vec![100 + i; *target]))
            .collect();
        let tasks: Vec<_> = tasks.iter().map(|(text, target)| (&text[..], &target[..])).collect();
        let sample = sample_task(&config, &SPECIAL, &tasks, seq_len);
        for (segment, task) in sample.segments.iter().zip(&tasks) {
            let alone = sample_task(&config, &SPECIAL, &[*task], window);
            prop_assert_eq!(&sample.tokens[segment.start..][..window], alone.tokens);
            prop_assert_eq!(&sample.positions[segment.start..][..window], alone.positions);
            prop_assert_eq!(&sample.targets[segment.start..][..window], alone.targets);
            prop_assert_eq!(segment.prefix, alone.segments[0].prefix);
        }
    }

    #[test]
    fn prop_a_task_keeps_what_fits(text_len in 0_usize..300, target_len in 0_usize..300, window in 8_usize..200, shifted: bool) {
        let config = ObjectiveConfig {
            gmask_positions: if shifted { GmaskPositions::Shifted } else { GmaskPositions::Plain },
            ..default()
        };
        let whole = text(text_len + target_len);
        let (text, target) = whole.split_at(text_len);
        let part = one(&config, text, target, window);
        let (blank, shown) = part.source().split_last().unwrap();
        prop_assert_eq!(*blank, SPECIAL.mask);
        prop_assert_eq!(shown, &text[..shown.len()]);
        let predicted = part.targets(part.prefix..part.used());
        let (end, predicted) = predicted.split_last().unwrap();
        prop_assert_eq!(*end, SPECIAL.eop);
        prop_assert_eq!(predicted, &target[..predicted.len()]);
        prop_assert_eq!(part.tokens[part.prefix], SPECIAL.sop);
        prop_assert_eq!(part.used(), window.min(text_len + target_len + 2));
        let quarter = text_len.min(window / 4);
        prop_assert!(shown.len() >= quarter);
        // The target is cut only where the text is down to its quarter.
        prop_assert!(predicted.len() == target_len || shown.len() == quarter);
        for slot in part.prefix..part.used() {
            prop_assert_eq!(part.positions[slot] as usize, slot - usize::from(shifted));
        }
    }
}
