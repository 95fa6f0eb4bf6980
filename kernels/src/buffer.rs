//! Scratch memory that is used again.
//!
//! A training step needs the same buffers every time. Fresh ones cost a page fault per 4 KiB and a
//! pass to clear them, a tenth of a step; so a dropped buffer goes to a pool and is handed out again
//! as it is. Values begin at a line of the cache: stores across two lines of memory that is not in the
//! cache take half as long again.

use std::ops::{Deref, DerefMut, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// FP32 values that hold anything until they are written.
#[derive(Debug, Default)]
pub struct Buffer {
    values: Vec<f32>,
    /// Of `values`, those that count.
    range: Range<usize>,
}

/// Bytes of a line of the cache, and values.
const LINE: usize = 64;
const LINE_VALUES: usize = LINE / size_of::<f32>();

/// Whether new buffers are filled with NaN.
static POISONED: AtomicBool = AtomicBool::new(cfg!(test));

static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

fn pool() -> MutexGuard<'static, Vec<Vec<f32>>> {
    // A list of vectors is whole at every moment.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Buffer {
    /// A buffer of `len` values with unspecified contents.
    #[must_use]
    pub fn new(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        let whole = len + LINE_VALUES;
        let mut values = take(whole).unwrap_or_else(|| Vec::with_capacity(whole));
        // Never shorter again: growing clears what it adds.
        if values.len() < whole {
            values.resize(whole, 0.0);
        }
        // Vectors begin at some value of a line; should that be unknown, any beginning will do.
        let start = values.as_ptr().align_offset(LINE).min(LINE_VALUES);
        let mut buffer = Self {
            values,
            range: start..start + len,
        };
        if POISONED.load(Ordering::Relaxed) {
            buffer.fill(f32::NAN);
        }
        buffer
    }

    /// A buffer of zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.fill(0.0);
        buffer
    }

    /// A copy.
    #[must_use]
    pub fn of(values: &[f32]) -> Self {
        let mut buffer = Self::new(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// From now on every new buffer of this process is filled with NaN, so that whoever reads before writing
    /// is found out. For tests, which call it before the passes they look at.
    pub fn poison() {
        POISONED.store(true, Ordering::Relaxed);
    }

    /// Gives all pooled memory back to the allocator.
    pub fn free_pool() {
        *pool() = Vec::new();
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self::of(&values)
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

/// The smallest pooled vector that holds `len` values and is not more than half empty.
fn take(len: usize) -> Option<Vec<f32>> {
    let mut pool = pool();
    let fits = |vector: &&Vec<f32>| (len..=2 * len).contains(&vector.capacity());
    let (index, _) = (pool.iter().enumerate())
        .filter(|(_, vector)| fits(vector))
        .min_by_key(|(_, vector)| vector.capacity())?;
    Some(pool.swap_remove(index))
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.values.capacity() > 0 {
            pool().push(std::mem::take(&mut self.values));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.range.clone()]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        // A size that no other test asks for.
        let buffer = Buffer::new(12_347);
        let place = buffer.as_ptr();
        drop(buffer);
        let again = Buffer::new(12_340);
        assert_eq!(again.as_ptr(), place);
        assert_eq!(again.len(), 12_340);
        assert_ne!(
            Buffer::new(6_000).as_ptr(),
            place,
            "half of it would be wasted"
        );
    }

    #[test]
    fn buffers_begin_at_a_line_of_the_cache() {
        for len in [1, 15, 16, 1_000, 100_003] {
            let (first, second) = (Buffer::new(len), Buffer::zeros(len));
            for buffer in [&first, &second, &Buffer::of(&second)] {
                assert_eq!(buffer.as_ptr().addr() % LINE, 0);
                assert_eq!(buffer.len(), len);
            }
        }
    }
}
