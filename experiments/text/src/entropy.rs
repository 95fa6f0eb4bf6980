//! Unigram entropy: the loss of the best model that ignores all context.

/// Entropy in nats of the empirical distribution with these counts,
/// `H = ln n − Σ cᵢ ln cᵢ / n`; 0 without any count.
#[must_use]
pub fn unigram_entropy(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return 0.0;
    }
    let n = total as f64;
    let weighted: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| *count as f64 * (*count as f64).ln())
        .sum();
    // Rounding may leave -1e-17 for a single symbol.
    (n.ln() - weighted / n).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::unigram_entropy;

    /// The *stuck* rule rests on this number.
    #[test]
    fn known_distributions() {
        assert_eq!(unigram_entropy(&[]), 0.0);
        assert_eq!(unigram_entropy(&[0, 7, 0]), 0.0);
        assert!((unigram_entropy(&[5; 8]) - 8f64.ln()).abs() < 1e-12);
        // p = (1/2, 1/4, 1/4): 1.5 bits.
        assert!((unigram_entropy(&[2, 1, 1]) - 1.5 * 2f64.ln()).abs() < 1e-12);
    }
}
