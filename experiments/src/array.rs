//! A flat FP32 array of a run, wherever it lies.
//!
//! It has a copy on the host, a copy elsewhere (on a device, or spread over the ranks that train the run), or both, which are then equal: reading a copy that is not there
//! brings it there, and writing forgets the other. So nobody can read values that are out of date, and on the CPU,
//! where only the host ever has a copy, nothing is copied at all.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{Buffer, bus};
use std::any::Any;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

/// One flat array. `H` holds the copy on the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Array<H = Vec<f32>> {
    host: OnceLock<H>,
    device: OnceLock<Arc<dyn Away>>,
}

/// A gradient in the layout of the parameters, or of a part of them.
pub(crate) type Gradient = Array<Buffer>;

/// A copy that does not lie here, for example on a device of whatever backend.
pub(crate) trait Away: Any + Debug + Send + Sync {
    /// Number of values.
    fn len(&self) -> usize;

    /// Brings them here.
    fn read(&self) -> Vec<f32>;

    /// Number of values in each of the parts of which it knows.
    fn lens(&self) -> Vec<usize> {
        vec![self.len()]
    }
}

impl<B: Backend> Away for Tensor<B, 1> {
    fn len(&self) -> usize {
        self.dims()[0]
    }

    fn read(&self) -> Vec<f32> {
        bus::read(self.clone())
    }
}

impl<H> From<H> for Array<H> {
    fn from(values: H) -> Self {
        Self {
            host: values.into(),
            device: OnceLock::new(),
        }
    }
}

impl<H: DerefMut<Target = [f32]> + From<Vec<f32>>> Array<H> {
    /// An array that lies on a device.
    pub(crate) fn away<B: Backend>(tensor: Tensor<B, 1>) -> Self {
        Self::elsewhere(tensor)
    }

    /// An array that does not lie here.
    pub(crate) fn elsewhere(copy: impl Away) -> Self {
        let copy: Arc<dyn Away> = Arc::new(copy);
        Self {
            host: OnceLock::new(),
            device: copy.into(),
        }
    }

    /// The copy that does not lie here, where there is one of this kind.
    pub(crate) fn copy_elsewhere<T: Away>(&self) -> Option<&T> {
        let away: &dyn Any = &**self.device.get()?;
        away.downcast_ref()
    }

    /// The copy that does not lie here, to be changed, where it is one of this kind that nobody else holds. One on the host
    /// is forgotten.
    pub(crate) fn sole_elsewhere<T: Away>(&mut self) -> Option<&mut T> {
        let away: &mut dyn Any = Arc::get_mut(self.device.get_mut()?)?;
        let away = away.downcast_mut()?;
        self.host.take();
        Some(away)
    }

    /// Number of values, wherever they lie.
    pub(crate) fn len(&self) -> usize {
        match (self.host.get(), self.device.get()) {
            (Some(values), _) => values.len(),
            (None, Some(away)) => away.len(),
            (None, None) => 0,
        }
    }

    /// Number of values in each of the parts of which the copy that does not lie here knows; else of all.
    pub(crate) fn lens(&self) -> Vec<usize> {
        let away = self.device.get();
        away.map_or_else(|| vec![self.len()], |away| away.lens())
    }

    /// The same as an array that may go to another thread: the copy that does not lie here, or where there is none the
    /// values.
    pub(crate) fn handed(&self) -> Array {
        match self.device.get() {
            Some(away) => Array {
                host: OnceLock::new(),
                device: away.clone().into(),
            },
            None => self.to_vec().into(),
        }
    }

    /// What came back from there.
    pub(crate) fn returned(array: Array) -> Self {
        let host = array.host.into_inner().map(H::from);
        Self {
            host: host.map_or_else(OnceLock::new, OnceLock::from),
            device: array.device,
        }
    }

    /// The copy on a device, sent there first where it is not.
    pub(crate) fn on<B: Backend>(&self, device: &B::Device) -> Tensor<B, 1> {
        let there = self.copy_elsewhere::<Tensor<B, 1>>();
        if let Some(tensor) = there.filter(|tensor| tensor.device() == *device) {
            return tensor.clone();
        }
        let tensor = bus::send(self.to_vec(), [self.len()], device);
        // Of two devices the first keeps its copy.
        let _ = self.device.set(Arc::new(tensor.clone()));
        tensor
    }
}

impl Array {
    /// [`Self::handed`], of which nothing is kept.
    pub(crate) fn give(&mut self) -> Self {
        let handed = self.handed();
        *self = Self::default();
        handed
    }

    /// The values, read first where they lie elsewhere.
    pub(crate) fn into_values(mut self) -> Vec<f32> {
        let _: &mut [f32] = &mut self;
        self.host.into_inner().unwrap_or_default()
    }

    /// Whether nobody else holds the copy that does not lie here.
    pub(crate) fn is_sole(&self) -> bool {
        let away = self.device.get();
        away.is_some_and(|away| Arc::strong_count(away) == 1)
    }

    /// The copy on a device, sent there first where it is not, of which nothing is kept here: what becomes of it is to be
    /// put in its place.
    pub(crate) fn take<B: Backend>(&mut self, device: &B::Device) -> Tensor<B, 1> {
        let tensor = self.on::<B>(device);
        *self = Self::default();
        tensor
    }
}

impl<H: DerefMut<Target = [f32]> + From<Vec<f32>>> Deref for Array<H> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let read = || self.device.get().map_or_else(Vec::new, |away| away.read());
        self.host.get_or_init(|| read().into())
    }
}

impl<H: DerefMut<Target = [f32]> + From<Vec<f32>>> DerefMut for Array<H> {
    fn deref_mut(&mut self) -> &mut [f32] {
        let away = self.device.take();
        if let (None, Some(away)) = (self.host.get(), away) {
            self.host = H::from(away.read()).into();
        }
        self.host.get_mut().map_or(&mut [], |values| &mut **values)
    }
}

impl<H: DerefMut<Target = [f32]> + From<Vec<f32>>> PartialEq for Array<H> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use kernels::bus::Moved;

    fn tensor(values: &[f32]) -> Tensor<Flex, 1> {
        Tensor::from_data(values, &Default::default())
    }

    #[test]
    fn reading_brings_home_once_and_writing_forgets_the_other_copy() {
        let mut array = Array::<Vec<f32>>::away(tensor(&[1.0, 2.0]));
        let _ = bus::take();
        assert_eq!(array.len(), 2);
        assert_eq!(
            bus::take(),
            Moved::default(),
            "its length is known without it"
        );
        assert_eq!((array[1], array[0]), (2.0, 1.0));
        let moved = |up, down, reads| Moved { up, down, reads };
        assert_eq!(bus::take(), moved(0, 8, 1));
        array[1] = 5.0;
        let sent = array.on::<Flex>(&Default::default());
        assert_eq!(sent.into_data().to_vec::<f32>().unwrap(), [1.0, 5.0]);
        assert_eq!(bus::take(), moved(8, 0, 0));
        array.on::<Flex>(&Default::default());
        assert_eq!(bus::take(), Moved::default(), "it is there already");
    }

    /// What was written before it was ever read holds the device's values beside what was written.
    #[test]
    fn the_first_write_sees_what_the_device_had() {
        let mut array = Array::<Vec<f32>>::away(tensor(&[1.0, 2.0]));
        array[0] += 10.0;
        assert_eq!(array[..], [11.0, 2.0]);
    }

    #[test]
    fn clones_do_not_share_what_is_written() {
        let mut array = Array::<Vec<f32>>::away(tensor(&[1.0]));
        let before = array.clone();
        array[0] = 3.0;
        assert_eq!((before[0], array[0]), (1.0, 3.0));
    }

    /// A pass of another backend, as a policy may bring one, gets the same values.
    #[test]
    fn another_backend_is_sent_a_copy_of_its_own() {
        let array = Array::<Vec<f32>>::away(tensor(&[1.0, 4.0]));
        let other = array.on::<Autodiff<Flex>>(&Default::default());
        assert_eq!(other.into_data().to_vec::<f32>().unwrap(), [1.0, 4.0]);
    }
}
