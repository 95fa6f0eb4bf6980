//! The keys of the table.

use super::*;
use crate::fixed::{STEPS, fixed};
use crate::pane::Keyed;

#[test]
fn sorting_starts_ascending_and_reverses() {
    let mut shared = Shared::new(Box::new(fixed(2, STEPS)));
    let mut runs = Runs::default();
    runs.press(letter('s'), &mut shared);
    assert_eq!((runs.sort, runs.descending), (Column::Seed, false));
    runs.press(letter('r'), &mut shared);
    assert!(runs.descending);
    runs.sort_by(Column::Loss);
    runs.sort_by(Column::Loss);
    assert!(
        runs.descending,
        "a second click on the heading turns it around"
    );
}
