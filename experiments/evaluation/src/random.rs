//! Chance that is the same for the same seed.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A generator for `purpose` and `index`; what is drawn from one shifts nothing of another.
pub(crate) fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key("training-stability workbench, answers 1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(purpose.as_bytes());
    let mut generator = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    generator.set_stream(index);
    generator
}
