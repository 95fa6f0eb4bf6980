//! In whose order a device does what a thread asks of it.

#[cfg(feature = "cube")]
use cubecl::stream_id::StreamId;

/// An order of work on a device.
///
/// `CubeCL` gives every thread its own, and memory that one of them has given back may hold something else before the
/// other has read it (seen with 0.10 on Vulkan). So what is made on one thread and read on another is read in the
/// order of the first.
#[derive(Debug, Clone, Copy)]
pub struct Stream(#[cfg(feature = "cube")] StreamId);

impl Stream {
    /// That of this thread.
    #[must_use]
    pub fn current() -> Self {
        Self(
            #[cfg(feature = "cube")]
            StreamId::current(),
        )
    }

    /// Does work in this order, on whatever thread.
    pub fn executes<T>(self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "cube")]
        return self.0.executes(work);
        #[cfg(not(feature = "cube"))]
        work()
    }
}
