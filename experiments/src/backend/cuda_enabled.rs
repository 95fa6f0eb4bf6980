//! Builds with the feature `cuda`.

use super::Work;
use crate::error::TrainError;
use burn::backend::{Autodiff, Cuda};

pub(super) const FEATURE: Option<&str> = Some("cuda");

/// Libraries that the backend loads at run time, and whose absence it answers with a panic in a
/// thread; so they are looked for first.
const LIBRARIES: [(&str, &str); 2] = [
    ("libcuda.so.1", "install the NVIDIA driver"),
    (
        "libnvrtc.so",
        "install the CUDA toolkit's NVRTC (CUDA 12 or newer)",
    ),
];

pub(super) fn available() -> Result<(), String> {
    for (library, remedy) in LIBRARIES {
        // SAFETY: loading runs the library's initialisers; these are NVIDIA's own, which the
        // backend would run a moment later.
        #[expect(unsafe_code, reason = "probing for a shared library")]
        let loaded = unsafe { libloading::Library::new(library) };
        if loaded.is_err() {
            return Err(format!(
                "`{library}` cannot be loaded: {remedy}, or set `runtime.device = \"cpu\"`"
            ));
        }
    }
    Ok(())
}

pub(super) fn run<W: Work>(work: W) -> Result<W::Output, TrainError> {
    work.run::<Autodiff<Cuda>>(&Default::default())
}
