//! Random streams. Every use of chance has a named stream of its own, so that nothing drawn in
//! one place shifts what is drawn in another, and a resumed run needs no generator state: stream
//! and index say everything.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A generator for `purpose`, for example `"data"`, and `index`, for example a sample number.
/// Streams of different seed, purpose or index are independent.
#[must_use]
pub(crate) fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key("training-stability workbench, stream 1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(purpose.as_bytes());
    let mut generator = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    generator.set_stream(index);
    generator
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_repeat_and_differ_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(first(1, "data", 0), first(1, "data", 0));
        let all = [
            first(1, "data", 0),
            first(2, "data", 0),
            first(1, "init", 0),
            first(1, "data", 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
