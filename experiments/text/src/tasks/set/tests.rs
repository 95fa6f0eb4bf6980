use super::*;
use proptest::prelude::*;

proptest! {
    /// A cap takes exactly so many samples, always the same ones, and a smaller cap a subset of
    /// them: a sweep over caps must not change two things at once.
    #[test]
    fn prop_caps_take_nested_subsets(found in 0u64..300, small in 0u64..300, more in 0u64..50, seed: [u8; 32]) {
        let all = |cap| kept(found, cap, &seed).unwrap_or_else(|| (0..found).collect());
        let (few, many) = (all(small), all(small + more));
        prop_assert_eq!(few.len() as u64, small.min(found));
        prop_assert!(few.is_sorted() && few.iter().all(|index| *index < found));
        prop_assert!(few.iter().all(|index| many.contains(index)));
        prop_assert_eq!(&few, &all(small));
    }
}

/// Files are often sorted by label and rows filled by several prompts in turn: neither may decide
/// what is kept.
#[test]
fn a_cap_takes_samples_from_everywhere() {
    let kept = kept(10_000, 1_000, &[7; 32]).unwrap();
    for quarter in 0..4_u64 {
        let range = quarter * 2_500..(quarter + 1) * 2_500;
        let inside = kept.iter().filter(|index| range.contains(*index)).count();
        assert!((200..300).contains(&inside), "{inside}");
    }
    let even = kept.iter().filter(|index| **index % 2 == 0).count();
    assert!((440..560).contains(&even), "{even}");
}
