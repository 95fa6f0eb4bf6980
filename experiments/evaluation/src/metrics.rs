//! How an answer is compared with its targets (`evaluation/metrics.py` of GLM-130B, after `SQuAD`'s script).

/// Lower case, without punctuation, articles and more than one space.
fn normalised(text: &str) -> Vec<String> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    // An article between letters of other scripts is none; the original's `\b` takes every letter of Unicode for a word's.
    let words = plain.split_whitespace();
    words
        .filter(|word| !["a", "an", "the"].contains(word))
        .map(str::to_owned)
        .collect()
}

/// Whether both say the same.
pub(crate) fn exact(answer: &str, target: &str) -> bool {
    normalised(answer) == normalised(target)
}

/// The harmonic mean of precision and recall of words, each counted as often as both have it.
pub(crate) fn f1(answer: &str, target: &str) -> f64 {
    let (answer, mut target) = (normalised(answer), normalised(target));
    let (found, wanted) = (answer.len(), target.len());
    let mut same = 0_usize;
    for word in answer {
        if let Some(place) = target.iter().position(|other| *other == word) {
            target.swap_remove(place);
            same += 1;
        }
    }
    if same == 0 {
        return 0.0;
    }
    2.0 * same as f64 / (found + wanted) as f64
}

/// The harmonic mean of precision and recall of words that both have in the same order (ROUGE-L, Lin 2004), each line or answer being one
/// sentence. Words are runs of letters and digits in lower case, of any script.
pub(crate) fn rouge_l(answer: &str, target: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric());
        words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (answer, target) = (words(answer), words(target));
    // Of the words so far, the longest that both have, for every end in the target.
    let mut longest = vec![0_usize; target.len() + 1];
    for word in &answer {
        let mut before = 0;
        for (place, other) in target.iter().enumerate() {
            let here = longest[place + 1];
            longest[place + 1] = if word == other {
                before + 1
            } else {
                here.max(longest[place])
            };
            before = here;
        }
    }
    let same = longest[target.len()];
    if same == 0 {
        return 0.0;
    }
    2.0 * same as f64 / (answer.len() + target.len()) as f64
}

/// The best over all targets.
pub(crate) fn best(targets: &[String], score: impl Fn(&str) -> f64) -> f64 {
    targets
        .iter()
        .map(|target| score(target))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four words two stand in the order of the other's three: precision 2/4, recall 2/3.
    #[test]
    fn words_in_the_same_order_count_once() {
        assert!((rouge_l("the dog bites men", "Men: the dog.") - 4.0 / 7.0).abs() < 1e-12);
        assert_eq!(rouge_l("The DOG!", "the dog"), 1.0);
        assert_eq!(rouge_l("dog the", "the dog"), 0.5);
        assert_eq!(rouge_l("", ""), 0.0);
        assert_eq!(rouge_l("猫", "狗"), 0.0);
    }

    #[test]
    fn answers_are_compared_by_their_words() {
        assert!(exact("The  Cat.", "cat"));
        assert!(!exact("cats", "cat"));
        assert!(exact("", "the"), "nothing is left of either");
        // Precision 2/3, recall 2/2.
        assert!((f1("a black cat sat", "Black cat!") - 0.8).abs() < 1e-12);
        // A word that the target has once counts once.
        assert!((f1("cat cat", "cat") - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(f1("dog", "cat"), 0.0);
        assert_eq!(f1("", ""), 0.0, "as in the original");
        let targets = ["dog".to_owned(), "black cat".to_owned()];
        assert_eq!(best(&targets, |target| f1("black cat", target)), 1.0);
        assert_eq!(best(&[], |target| f1("x", target)), 0.0);
    }
}
