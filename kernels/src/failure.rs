//! Devices that fail under a computation: lost, or out of memory.
//!
//! Most calls of a backend have no way to say so but a panic, in the thread that asked or in the device's own. What such a
//! panic says is kept instead of printed, and whoever began the computation asks for it.

#[cfg(feature = "cube")]
use std::panic::Location;
use std::panic::{self, AssertUnwindSafe};
#[cfg(feature = "cube")]
use std::sync::Once;
use std::sync::{Mutex, PoisonError};

/// What the first device to fail said.
static FAILED: Mutex<Option<String>> = Mutex::new(None);

/// Does work that may compute on devices: its result, or what a device said that failed meanwhile.
///
/// # Errors
/// If a device fails.
///
/// # Panics
/// If the work does, and no device has failed.
pub fn unless_a_device_fails<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| said().unwrap_or_else(|| panic::resume_unwind(panic)))
}

fn said() -> Option<String> {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.clone()
}

fn note(problem: String) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.get_or_insert(problem);
}

/// Gives a computation up because of its device.
pub(crate) fn give_up(problem: String) -> ! {
    note(problem);
    panic::resume_unwind(Box::new("a device failed"))
}

/// Whether it is a device that panics: in a thread of its own, as `cubecl-common` names them, or in the code that drives it
/// in whatever thread asked for something, as Vulkan's does.
#[cfg(feature = "cube")]
fn is_of_a_device(thread: Option<&str>, file: Option<&str>) -> bool {
    let drives = |file: &str| file.contains("wgpu") || file.contains("cubecl-cuda");
    thread.is_some_and(|name| name.starts_with("DS")) || file.is_some_and(drives)
}

/// Keeps what devices say when they panic, and says nothing of the panics that follow from it.
#[cfg(feature = "cube")]
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let file = info.location().map(Location::file);
            if is_of_a_device(thread.name(), file) {
                let text = info.payload_as_str().unwrap_or("it panicked");
                note(text.to_owned());
            } else if said().is_none() {
                before(info);
            }
        }));
    });
}

#[cfg(all(test, feature = "cube"))]
mod tests {
    use super::*;

    /// The second file is where a Vulkan device that was lost showed, in the main thread.
    #[test]
    fn devices_are_told_by_thread_and_by_file() {
        let (server, lost) = ("DS-0", "/registry/cubecl-wgpu-0.10.0/src/compute/stream.rs");
        assert!(is_of_a_device(
            Some(server),
            Some("burn-cubecl/src/tensor.rs")
        ));
        assert!(is_of_a_device(Some("main"), Some(lost)));
        assert!(!is_of_a_device(
            Some("main"),
            Some("experiments/src/array.rs")
        ));
        assert!(!is_of_a_device(None, None));
    }
}
