//! Devices that fail under a computation: lost, or out of memory.
//!
//! Most calls of a backend have no way to say so but a panic, in the thread that asked or in the device's own. What such a
//! panic says is kept instead of printed, and whoever began the computation asks for it.

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

/// Keeps what panics in the threads of devices say, and says nothing of those that follow from it.
#[cfg(feature = "cube")]
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            // As `cubecl-common` names the threads of its devices.
            if thread.name().is_some_and(|name| name.starts_with("DS")) {
                let text = info.payload_as_str().unwrap_or("its thread panicked");
                note(text.to_owned());
            } else if said().is_none() {
                before(info);
            }
        }));
    });
}
