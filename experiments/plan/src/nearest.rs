//! The nearest values that satisfy a constraint, for error messages.

/// How far is looked; further off, a suggestion is none.
const FARTHEST: u64 = 1 << 20;

/// `KEY = 6`, or `KEY = 6 or 9`: the nearest legal values below and above `target`, at least 1, where
/// there are any.
pub(crate) fn nearest(
    key: &str,
    target: u64,
    most: u64,
    legal: impl Fn(u64) -> bool,
) -> Option<String> {
    let start = target.min(most);
    let below = (1..=start)
        .rev()
        .take(FARTHEST as usize)
        .find(|n| legal(*n));
    let above = (start.saturating_add(1)..=most)
        .take(FARTHEST as usize)
        .find(|n| legal(*n));
    match (below, above) {
        (Some(below), Some(above)) => Some(format!("{key} = {below} or {above}")),
        (Some(only), None) | (None, Some(only)) => Some(format!("{key} = {only}")),
        (None, None) => None,
    }
}

/// Those of the suggestions that there are, of which any one will do.
pub(crate) fn any_of<const N: usize>(suggestions: [Option<String>; N]) -> String {
    let all: Vec<String> = suggestions.into_iter().flatten().collect();
    all.join(", or ")
}

/// What can be changed instead: `nearest legal: chunks = 2, or pipeline_parallel = 4`.
pub(crate) fn advice(nearest: &str) -> String {
    if nearest.is_empty() {
        "no other value of one key alone is legal".to_owned()
    } else {
        format!("nearest legal: {nearest}")
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
