//! Counter-based random numbers: every draw is a function of (seed, stream, step, iteration), so the window, the
//! command line, branches of an episode and any number of threads see the same ones.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What the numbers are for. Two streams never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    Scene = 1,
    Expert = 2,
    Cem = 3,
    Sampling = 4,
    Init = 5,
    Clips = 6,
    Masks = 7,
    Tasks = 8,
    Sketch = 9,
    Eval = 10,
    Events = 11,
}

/// The generator for one place in the program's work.
pub fn rng(seed: u64, stream: Stream, step: u64, iteration: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    for (chunk, word) in key.chunks_exact_mut(8).zip([seed, stream as u64, step, iteration]) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn keys_give_their_own_numbers_and_the_same_ones_again() {
        let draw = |seed, stream, step, iteration| rng(seed, stream, step, iteration).next_u64();
        let keys = [
            (1, Stream::Cem, 0, 0),
            (2, Stream::Cem, 0, 0),
            (1, Stream::Scene, 0, 0),
            (1, Stream::Cem, 1, 0),
            (1, Stream::Cem, 0, 1),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert_eq!(draw(a.0, a.1, a.2, a.3), draw(a.0, a.1, a.2, a.3));
            for b in &keys[i + 1..] {
                assert_ne!(draw(a.0, a.1, a.2, a.3), draw(b.0, b.1, b.2, b.3));
            }
        }
    }
}
