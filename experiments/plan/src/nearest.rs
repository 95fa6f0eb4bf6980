//! The nearest values that satisfy a constraint, for error messages.

/// How far is looked; further off, a suggestion is none.
const FARTHEST: u64 = 1 << 20;

/// `6`, `6 or 9`, or `none`: the nearest legal values below and above `target`, at least 1.
pub(crate) fn nearest(target: u64, most: u64, legal: impl Fn(u64) -> bool) -> String {
    let start = target.min(most);
    let below = (1..=start)
        .rev()
        .take(FARTHEST as usize)
        .find(|n| legal(*n));
    let above = (start.saturating_add(1)..=most)
        .take(FARTHEST as usize)
        .find(|n| legal(*n));
    match (below, above) {
        (Some(below), Some(above)) => format!("{below} or {above}"),
        (Some(only), None) | (None, Some(only)) => only.to_string(),
        (None, None) => "none".to_owned(),
    }
}

/// The multiples of `unit` below and above `target`, without 0.
pub(crate) fn nearest_multiples(target: u64, unit: u64) -> String {
    let below = target / unit * unit;
    let above = below.checked_add(unit);
    match (below, above) {
        (0, Some(above)) => above.to_string(),
        (below, Some(above)) => format!("{below} or {above}"),
        (below, None) => below.to_string(),
    }
}
