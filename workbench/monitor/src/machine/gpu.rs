//! The GPUs of this machine, as `nvidia-smi` tells of them: asked beside the screen, which never waits for it.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Time between two questions, and after which an answer is given up.
const INTERVAL: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);

const QUERY: &str =
    "index,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw";

/// A GPU at one moment; none of what it does not tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Gpu {
    pub(crate) index: String,
    pub(crate) name: String,
    /// Share of the time in which a kernel ran, 0..=1.
    pub(crate) busy: Option<f64>,
    /// Used and whole memory, in bytes.
    pub(crate) memory: Option<(u64, u64)>,
    /// In °C.
    pub(crate) temperature: Option<f64>,
    /// In W.
    pub(crate) power: Option<f64>,
}

/// What is known of the GPUs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Gpus {
    /// Nothing yet.
    #[default]
    Asked,
    /// Why nothing can be known.
    Unknown(String),
    Known(Vec<Gpu>),
}

/// Asks again and again, one question at a time.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    answer: Option<Receiver<Gpus>>,
    since: Option<Instant>,
    last: Gpus,
}

impl Asked {
    /// What is known by now. Where there is no such program it is not asked for again.
    pub(crate) fn look(&mut self) -> Gpus {
        match self.answer.as_ref().map(Receiver::try_recv) {
            Some(Ok(answer)) => {
                self.last = answer;
                self.answer = None;
            }
            Some(Err(TryRecvError::Disconnected)) => self.answer = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        let is_due = self.since.is_none_or(|since| since.elapsed() >= INTERVAL);
        let is_open = self.answer.is_some() || matches!(self.last, Gpus::Unknown(_));
        if is_due && !is_open {
            let (say, heard) = channel();
            // Nobody hears it once the monitor is left.
            std::thread::spawn(move || drop(say.send(ask())));
            (self.answer, self.since) = (Some(heard), Some(Instant::now()));
        }
        self.last.clone()
    }
}

fn ask() -> Gpus {
    let child = Command::new("nvidia-smi")
        .arg(format!("--query-gpu={QUERY}"))
        .arg("--format=csv,noheader,nounits")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return Gpus::Unknown("no `nvidia-smi` tells of any".to_owned());
    };
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Gpus::Unknown("`nvidia-smi` does not answer".to_owned());
            }
        }
    };
    let mut text = String::new();
    let read = child
        .stdout
        .take()
        .map(|mut out| out.read_to_string(&mut text));
    match (status.success(), read) {
        (true, Some(Ok(_))) => Gpus::Known(text.lines().filter_map(gpu).collect()),
        _ => Gpus::Unknown("`nvidia-smi` finds none".to_owned()),
    }
}

/// A line of [`QUERY`]; `[N/A]` stands for what a GPU does not tell.
fn gpu(line: &str) -> Option<Gpu> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [index, name, busy, used, all, temperature, power] = fields.as_slice() else {
        return None;
    };
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let mebibytes = |text: &str| text.parse::<u64>().ok()?.checked_mul(1 << 20);
    Some(Gpu {
        index: (*index).to_owned(),
        name: (*name).to_owned(),
        busy: number(busy).map(|percent| percent / 100.0),
        memory: mebibytes(used).zip(mebibytes(all)),
        temperature: number(temperature),
        power: number(power),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_nvidia_smi_is_a_gpu_and_what_it_does_not_tell_is_none() {
        let full = gpu("0, NVIDIA H100 80GB HBM3, 83, 1024, 81559, 61, 320.55").unwrap();
        assert_eq!(
            (full.busy, full.temperature, full.power),
            (Some(0.83), Some(61.0), Some(320.55))
        );
        assert_eq!(full.memory, Some((1 << 30, 81559 << 20)));
        let little = gpu("1, GB10, [N/A], [Not Supported], 5, [N/A], nan").unwrap();
        assert_eq!(
            (little.busy, little.memory, little.power),
            (None, None, None)
        );
        assert_eq!(gpu("No devices were found"), None);
    }
}
