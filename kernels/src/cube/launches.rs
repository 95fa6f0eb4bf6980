//! How many kernels are launched. The backend tells a log of each, which takes time: only a process that counts and
//! measures nothing asks for it.

use cubecl::config::profiling::ProfilingLogLevel;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use log::{LevelFilter, Log, Metadata, Record};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

static LAUNCHES: AtomicU64 = AtomicU64::new(0);

static COUNTED: AtomicBool = AtomicBool::new(false);

/// Longer than the backend's log takes for the next line.
const QUIET: Duration = Duration::from_millis(100);

struct Counter;

impl Log for Counter {
    fn enabled(&self, _metadata: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        if record.args().to_string().starts_with("Executing ") {
            LAUNCHES.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Counts from now on.
///
/// # Panics
/// If a device was opened before.
pub fn count_launches() {
    let mut config = CubeClRuntimeConfig::default();
    config.profiling.logger.level = ProfilingLogLevel::Minimal;
    config.profiling.logger.log = Some(Default::default());
    CubeClRuntimeConfig::set(config);
    COUNTED.store(true, Ordering::Relaxed);
    if log::set_logger(&Counter).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Whether this process counts.
#[cfg(feature = "cuda")]
pub(super) fn counted() -> bool {
    COUNTED.load(Ordering::Relaxed)
}

/// Launches since [`count_launches`], once no more of them come.
#[must_use]
pub fn launches() -> u64 {
    let mut before = u64::MAX;
    loop {
        let now = LAUNCHES.load(Ordering::Relaxed);
        if now == before {
            return now;
        }
        before = now;
        sleep(QUIET);
    }
}
