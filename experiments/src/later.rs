//! Values that wait on a device until somebody asks for the first of them: then all are read, with one wait.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{Stream, bus};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A value that is there, or will be.
pub(crate) struct Later<T>(Box<dyn FnOnce() -> T + Send>);

impl<T: Send + 'static> Later<T> {
    /// What `get` gives, when it is asked for.
    pub(crate) fn new(get: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Box::new(get))
    }

    /// What is there.
    pub(crate) fn now(value: T) -> Self {
        Self::new(|| value)
    }

    /// The same for so many who ask, from whatever threads: the first of them waits for it.
    ///
    /// # Panics
    /// The others, if waiting for it has panicked.
    pub(crate) fn divide(self, count: usize) -> Vec<Later<Arc<T>>>
    where
        T: Sync,
    {
        let all = Arc::new((Mutex::new(Some(self)), OnceLock::new()));
        let ask = || {
            let all = all.clone();
            Later::new(move || {
                let (later, value) = &*all;
                let wait = || {
                    let mut later = later.lock().unwrap_or_else(PoisonError::into_inner);
                    let later = later.take().expect("waited for once");
                    Arc::new(later.get())
                };
                value.get_or_init(wait).clone()
            })
        };
        std::iter::repeat_with(ask).take(count).collect()
    }

    /// Waits for it, if need be.
    pub(crate) fn get(self) -> T {
        (self.0)()
    }
}

/// Small tensors of a device that are to be read.
#[derive(Clone)]
pub(crate) struct Waiting<B: Backend>(Arc<Mutex<Queue<B>>>);

struct Queue<B: Backend> {
    parts: Vec<Tensor<B, 1>>,
    /// How many values go where, in the order of the parts.
    results: Vec<(usize, Arc<OnceLock<Vec<f32>>>)>,
    /// In whose order the parts were made.
    stream: Stream,
}

impl<B: Backend> Default for Waiting<B> {
    fn default() -> Self {
        let (parts, results) = (Vec::new(), Vec::new());
        let stream = Stream::current();
        Self(Arc::new(Mutex::new(Queue {
            parts,
            results,
            stream,
        })))
    }
}

impl<B: Backend> Waiting<B> {
    /// The values of some tensors, one after another.
    pub(crate) fn read(&self, parts: impl IntoIterator<Item = Tensor<B, 1>>) -> Later<Vec<f32>> {
        let result = Arc::new(OnceLock::new());
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = queue.parts.len();
        queue.parts.extend(parts);
        queue.stream = Stream::current();
        let len = queue.parts[first..].iter().map(|part| part.dims()[0]).sum();
        queue.results.push((len, result.clone()));
        drop(queue);
        let waiting = self.clone();
        Later::new(move || {
            if result.get().is_none() {
                waiting.read_all();
            }
            result.get().cloned().unwrap_or_default()
        })
    }

    /// One wait for all that is to be read.
    fn read_all(&self) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (parts, results) = (
            std::mem::take(&mut queue.parts),
            std::mem::take(&mut queue.results),
        );
        let all = if parts.is_empty() {
            Vec::new()
        } else {
            let stream = queue.stream;
            stream.executes(|| bus::read(Tensor::cat(parts, 0)))
        };
        let mut rest = &all[..];
        for (len, result) in results {
            let (own, after) = rest.split_at(len);
            rest = after;
            // Every result is filled once, by the read that takes it from the queue.
            let _ = result.set(own.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn what_waits_is_read_at_once_whoever_asks_first() {
        let waiting = Waiting::<Flex>::default();
        let tensor = |values: &[f32]| Tensor::from_data(values, &Default::default());
        let _ = bus::take();
        let first = waiting.read([tensor(&[1.0]), tensor(&[2.0, 3.0])]);
        let nothing = waiting.read([]);
        let second = waiting.read([tensor(&[4.0])]);
        assert_eq!(bus::take().reads, 0);
        assert_eq!(second.get(), [4.0]);
        assert_eq!((first.get(), nothing.get()), (vec![1.0, 2.0, 3.0], vec![]));
        assert_eq!(bus::take().reads, 1);
        let third = waiting.read([tensor(&[5.0])]);
        assert_eq!(third.get(), [5.0]);
    }
}
