//! What this machine does: its processors, memory and GPUs, and the processes that train runs. Read from `/proc` (proc(5)) and
//! from `nvidia-smi`, where these are; elsewhere nothing is known, and that is shown.

use std::collections::HashMap;
use std::fs;

mod gpu;

use gpu::Asked;
pub(crate) use gpu::{Gpu, Gpus};

/// Use of a machine at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    /// Processors that the system has; 0 where that is not known.
    pub(crate) processors: usize,
    /// Share of the time that they worked since the reading before, 0..=1.
    pub(crate) busy: Option<f64>,
    /// Mean number of processes that worked or waited over the last minute.
    pub(crate) load: Option<f64>,
    pub(crate) memory: Option<Memory>,
    pub(crate) gpus: Gpus,
    /// By process number.
    pub(crate) processes: HashMap<u32, Process>,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) used: u64,
    pub(crate) all: u64,
}

/// Use by one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Process {
    /// Processors that worked for it since the reading before.
    pub(crate) busy: Option<f64>,
    /// Memory that it holds, in bytes.
    pub(crate) memory: u64,
}

/// Reads a machine again and again; shares of time are those between two readings.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Worked and whole time of all processors, in clock ticks.
    before: Option<(u64, u64)>,
    /// Time of every process, in the same ticks.
    processes: HashMap<u32, u64>,
    gpus: Asked,
}

impl Meter {
    /// Of the machine and these of its processes.
    pub(crate) fn read(&mut self, processes: &[u32]) -> Reading {
        let stat = text("/proc/stat");
        let now = worked(&stat);
        let processors = stat.lines().filter(|line| is_processor(line)).count();
        let passed = self.before.zip(now).map(|((worked, all), (now, then))| {
            (now.saturating_sub(worked), then.saturating_sub(all))
        });
        let passed = passed.filter(|(_, all)| *all > 0);
        let ticks: HashMap<u32, u64> = processes
            .iter()
            .filter_map(|id| Some((*id, process_ticks(&text(&format!("/proc/{id}/stat")))?)))
            .collect();
        let process = |(id, now): (&u32, &u64)| {
            let memory = kilobytes(&text(&format!("/proc/{id}/status")), "VmRSS:")?;
            let before = self.processes.get(id);
            let busy = before.zip(passed).map(|(before, (_, all))| {
                now.saturating_sub(*before) as f64 / all as f64 * processors as f64
            });
            Some((*id, Process { busy, memory }))
        };
        let reading = Reading {
            processors,
            busy: passed.map(|(worked, all)| worked as f64 / all as f64),
            load: text("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok()),
            memory: memory(&text("/proc/meminfo")),
            processes: ticks.iter().filter_map(process).collect(),
            gpus: self.gpus.look(),
        };
        self.before = now.or(self.before);
        self.processes = ticks;
        reading
    }
}

/// A file of the system, empty where it cannot be read.
fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// `cpu0 …`, not the sum of all, `cpu  …`.
fn is_processor(line: &str) -> bool {
    let number = line.strip_prefix("cpu");
    number.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// Clock ticks in which any processor worked, and all of them: fields 4 and 5 are those in which they had nothing to do.
fn worked(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    // Guests are part of the first two fields.
    let ticks: Option<Vec<u64>> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|n| n.parse().ok())
        .collect();
    let ticks = ticks.filter(|ticks| ticks.len() > 4)?;
    let all = ticks
        .iter()
        .fold(0u64, |sum, ticks| sum.saturating_add(*ticks));
    Some((all.saturating_sub(ticks[3]).saturating_sub(ticks[4]), all))
}

/// Clock ticks of a process, in its own code and in the system's: fields 14 and 15. Field 2 may hold spaces and brackets.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

fn memory(meminfo: &str) -> Option<Memory> {
    let all = kilobytes(meminfo, "MemTotal:")?;
    let free = kilobytes(meminfo, "MemAvailable:")?;
    Some(Memory {
        used: all.saturating_sub(free),
        all,
    })
}

/// A line such as `VmRSS:   1234 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_those_of_proc() {
        let stat = "cpu  10 5 20 100 30 1 2 3 9 9\ncpu0 1 1 1 1 1\ncpu1 1\nintr 5\n";
        assert_eq!(worked(stat), Some((41, 171)));
        assert_eq!(stat.lines().filter(|line| is_processor(line)).count(), 2);
        let process = "12 (a) b) R 1 2 3 4 5 6 7 8 9 10 70 30 1 1";
        assert_eq!(process_ticks(process), Some(100));
        let meminfo = "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   60 kB\n";
        assert_eq!(
            memory(meminfo),
            Some(Memory {
                used: 40 * 1024,
                all: 100 * 1024
            })
        );
    }

    #[test]
    fn what_is_not_known_is_none() {
        for odd in [
            "",
            "cpu",
            "cpu  1 2",
            "cpu  a b c d e f",
            "MemTotal: many kB",
            "1 (x",
        ] {
            assert_eq!(worked(odd), None, "{odd}");
            assert_eq!(memory(odd), None, "{odd}");
            assert_eq!(process_ticks(odd), None, "{odd}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen_and_its_share_from_the_second_reading_on() {
        let (mut meter, own) = (Meter::default(), std::process::id());
        let first = meter.read(&[own, u32::MAX]);
        assert!(first.processors > 0 && first.busy.is_none() && first.memory.is_some());
        assert!(first.processes[&own].busy.is_none() && first.processes[&own].memory > 0);
        assert!(!first.processes.contains_key(&u32::MAX));
        while worked(&text("/proc/stat")) == meter.before {
            std::thread::yield_now();
        }
        let second = meter.read(&[own]);
        assert!(second.busy.is_some_and(|busy| (0.0..=1.0).contains(&busy)));
        assert!(second.processes[&own].busy.is_some_and(|busy| busy >= 0.0));
    }
}
