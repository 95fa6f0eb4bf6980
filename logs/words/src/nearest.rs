//! The name that was probably meant.

/// How similar a name must be, from 0 (nothing in common) to 1 (equal), to be suggested.
const LEAST: f64 = 0.75;

/// The candidate that `word` is most likely a misspelling of, if any is similar enough to suggest.
///
/// Similarity is Jaro and Winkler's, whatever the case of the letters. Of dotted keys the last part alone
/// also counts, a little less than the whole: `lr` finds `optimizer.lr`.
pub fn closest<S: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = S>) -> Option<S> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                similarity(&word, &candidate.as_ref().to_lowercase()),
                candidate,
            )
        })
        .filter(|(score, _)| *score > LEAST)
        // The first of equals.
        .min_by(|a, b| b.0.total_cmp(&a.0))
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `optimizer.lr`?``, where a candidate is similar enough to `word`.
pub fn did_you_mean<S: AsRef<str>>(
    word: &str,
    candidates: impl IntoIterator<Item = S>,
) -> Option<String> {
    closest(word, candidates).map(|near| format!("did you mean `{}`?", near.as_ref()))
}

/// [`did_you_mean`] as the end of a message: ``; did you mean `lr`?``, or nothing.
pub fn hint<S: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = S>) -> String {
    did_you_mean(word, candidates).map_or_else(String::new, |hint| format!("; {hint}"))
}

fn similarity(word: &str, candidate: &str) -> f64 {
    let whole = strsim::jaro_winkler(word, candidate);
    whole.max(0.8 * strsim::jaro_winkler(last_part(word), last_part(candidate)))
}

/// The last part of a dotted key: `lr` of `optimizer.lr`.
#[must_use]
pub fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 3] = ["optimizer.lr", "model.num_heads", "precision.format"];

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        for (word, near) in [
            ("optimizer.lrr", Some("optimizer.lr")),
            ("lr", Some("optimizer.lr")),
            ("num_head", Some("model.num_heads")),
            ("Precision.FORMAT", Some("precision.format")),
            ("qqqqqq", None),
            ("", None),
        ] {
            assert_eq!(closest(word, KEYS), near, "{word}");
        }
        assert_eq!(
            did_you_mean("A100-80GB", ["a100-40g", "a100-80g"]).as_deref(),
            Some("did you mean `a100-80g`?")
        );
        assert_eq!(closest("a100", ["a100-40g", "a100-80g"]), Some("a100-40g"));
    }
}
