//! What the processors of this machine draw, as Linux counts it: the energy counters (RAPL) under `/sys/class/powercap`. They may be
//! absent, as in virtual machines, or be readable by root alone; then nothing is known, and nothing is recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

const FOLDER: &str = "/sys/class/powercap";
/// Time between two readings. The counters move every millisecond or so, and a step may take less.
const INTERVAL: Duration = Duration::from_secs(1);
const MICRO: f64 = 1e-6;

/// A counter of microjoules that begins anew behind its largest value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Zone {
    energy: PathBuf,
    largest: u64,
}

impl Zone {
    /// The counter in this folder, where it is of a processor or of its memory, which is not within the processor's. What is a
    /// part of a processor, or holds it (the whole board), would be counted twice.
    fn of(folder: &Path) -> Option<Self> {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let name = text("name")?;
        let counted = name.trim().starts_with("package") || name.trim() == "dram";
        // The same counters by another way.
        let again = folder
            .file_name()?
            .to_str()
            .is_none_or(|name| name.contains("mmio"));
        let zone = Self {
            energy: folder.join("energy_uj"),
            largest: text("max_energy_range_uj")?.trim().parse().ok()?,
        };
        (counted && !again && zone.read().is_some()).then_some(zone)
    }

    fn read(&self) -> Option<u64> {
        fs::read_to_string(&self.energy).ok()?.trim().parse().ok()
    }

    /// Microjoules from one reading to a later one.
    fn between(&self, before: u64, after: u64) -> u64 {
        if after >= before {
            after - before
        } else {
            (self.largest.saturating_sub(before)).saturating_add(after)
        }
    }
}

/// The counters of a machine, and when they were read last.
#[derive(Debug)]
struct Meter {
    zones: Vec<Zone>,
    last: Option<(Instant, Vec<u64>)>,
}

impl Meter {
    fn of(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut zones: Vec<Zone> = entries
            .filter_map(|entry| Zone::of(&entry.path()))
            .collect();
        zones.sort_by(|a, b| a.energy.cmp(&b.energy));
        Self { zones, last: None }
    }

    /// Mean power since the reading before, where that is long enough ago.
    fn watts(&mut self, now: Instant) -> Option<f64> {
        if self.zones.is_empty() {
            return None;
        }
        let is_due = |at: Instant| now.saturating_duration_since(at) >= INTERVAL;
        if self.last.as_ref().is_some_and(|(at, _)| !is_due(*at)) {
            return None;
        }
        // A counter that cannot be read any more ends this interval without a value.
        let read: Option<Vec<u64>> = self.zones.iter().map(Zone::read).collect();
        let before = std::mem::replace(&mut self.last, read.map(|read| (now, read)));
        let ((then, before), (_, after)) = before.as_ref().zip(self.last.as_ref())?;
        let moved = self.zones.iter().zip(before).zip(after);
        let micro: u64 = moved
            .map(|((zone, before), after)| zone.between(*before, *after))
            .fold(0, u64::saturating_add);
        Some(micro as f64 * MICRO / now.saturating_duration_since(*then).as_secs_f64())
    }
}

/// Mean power, in watts, of all processors of this machine and their memory since the call before, once a second; none in between,
/// at the first call, and where the machine does not tell.
#[must_use]
pub fn watts() -> Option<f64> {
    static METER: OnceLock<Mutex<Meter>> = OnceLock::new();
    let meter = METER.get_or_init(|| Mutex::new(Meter::of(Path::new(FOLDER))));
    // Whoever asks at the same time asks for the same.
    meter.try_lock().ok()?.watts(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(folder: &Path, place: &str, name: &str, energy: u64) -> PathBuf {
        let zone = folder.join(place);
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("name"), format!("{name}\n")).unwrap();
        fs::write(zone.join("max_energy_range_uj"), "1000000000\n").unwrap();
        let counter = zone.join("energy_uj");
        fs::write(&counter, format!("{energy}\n")).unwrap();
        counter
    }

    /// Two processors and the memory of one are counted once each; cores, the whole board and the other way to a processor are not.
    #[test]
    fn the_energy_of_processors_and_memory_is_counted_once_and_over_the_counters_end() {
        let dir = tempfile::tempdir().unwrap();
        let first = zone(dir.path(), "intel-rapl:0", "package-0", 999_000_000);
        let second = zone(dir.path(), "intel-rapl:1", "package-1", 0);
        let memory = zone(dir.path(), "intel-rapl:0:1", "dram", 5);
        let others = [
            zone(dir.path(), "intel-rapl:0:0", "core", 0),
            zone(dir.path(), "intel-rapl:2", "psys", 0),
            zone(dir.path(), "intel-rapl-mmio:0", "package-0", 0),
        ];
        let mut meter = Meter::of(dir.path());
        assert_eq!(meter.zones.len(), 3);
        let start = Instant::now();
        assert_eq!(meter.watts(start), None, "nothing is before the first");
        for other in others {
            fs::write(other, "900000000").unwrap();
        }
        // 21 J, over the end of the counter, 30 J and 9 J in two seconds.
        fs::write(first, "20000000").unwrap();
        fs::write(second, "30000000").unwrap();
        fs::write(&memory, "9000005").unwrap();
        assert_eq!(meter.watts(start + Duration::from_millis(900)), None);
        let found = meter.watts(start + Duration::from_secs(2)).unwrap();
        assert!((found - 30.0).abs() < 1e-9, "{found}");
        fs::remove_file(&memory).unwrap();
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(meter.watts(later(4)), None, "a counter is lost");
        fs::write(memory, "0").unwrap();
        assert_eq!(meter.watts(later(6)), None, "and nothing is before it");
        assert_eq!(meter.watts(later(8)), Some(0.0));
    }

    #[test]
    fn a_machine_that_does_not_tell_has_no_power() {
        let dir = tempfile::tempdir().unwrap();
        let counter = zone(dir.path(), "intel-rapl:0", "package-0", 0);
        fs::write(counter, "unreadable").unwrap();
        for folder in [dir.path().to_owned(), dir.path().join("none")] {
            let mut meter = Meter::of(&folder);
            let start = Instant::now();
            assert_eq!(meter.watts(start), None);
            assert_eq!(meter.watts(start + Duration::from_secs(9)), None);
        }
    }
}
