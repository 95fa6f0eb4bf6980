//! Writing `TensorBoard` event files; the format is in [`crate::tfevent`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::hparams::{Experiment, Session};
use crate::error::LogError;
use crate::record::Record;
use crate::tfevent::{Event, SessionLog, SessionStatus, Summary, Value, masked_crc};
use crate::{folder, output};

/// Writes `records` as an event file in the directory `dir`, which is created where needed, and
/// returns its path. Exporting again replaces the file.
///
/// Tags are the names, per-layer signals as `layers/grad_norm/3`. Values become f32, as `TensorBoard`
/// stores them. `start` is the time of step 0 in seconds since 1970, see
/// [`crate::Manifest::created_seconds`]; later steps follow by their `step_seconds`.
pub fn tensorboard(records: &[Record], dir: &Path, start: f64) -> Result<PathBuf, LogError> {
    let mut seconds = 0.0;
    let elapsed: Vec<f64> = records
        .iter()
        .map(|record| {
            seconds += step_seconds(record.scalar("step_seconds"));
            seconds
        })
        .collect();
    event_file(dir, |file| {
        let mut events = Events::of_records(start);
        events.records(records, &elapsed);
        file.write_all(&events.take())
    })
}

/// Seconds that a step adds to the clock: none where they were not recorded.
#[must_use]
pub fn step_seconds(recorded: Option<f64>) -> f64 {
    recorded
        .filter(|seconds| seconds.is_finite())
        .unwrap_or(0.0)
}

/// Writes the event file that names the hyperparameters and metrics of all runs in folders under `dir`.
pub fn experiment(
    dir: &Path,
    experiment: &Experiment<'_>,
    start: f64,
) -> Result<PathBuf, LogError> {
    event_file(dir, |file| {
        let mut events = Events::new(start);
        events.push(&tagged(start, experiment.value(start)));
        file.write_all(&events.take())
    })
}

/// Lets `fill` write the one event file of a folder, which is made where needed; those of an export that followed a run are
/// removed.
pub fn event_file(
    dir: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<PathBuf, LogError> {
    let path = numbered(dir, 0);
    write_numbered(dir, 0, fill)?;
    for number in numbers(dir)? {
        remove(&numbered(dir, number))?;
    }
    Ok(path)
}

pub(super) fn write_numbered(
    dir: &Path,
    number: u64,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), LogError> {
    folder::make(dir).map_err(|error| LogError::io("create", dir, error))?;
    output::fill(&numbered(dir, number), fill)
}

const BEFORE_NUMBER: &str = "events.out.tfevents.";
const BEHIND_NUMBER: &str = ".workbench";

/// `TensorBoard` reads the files of a folder in the order of their names.
pub(super) fn numbered(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{BEFORE_NUMBER}{number:010}{BEHIND_NUMBER}"))
}

/// The files of this program in a folder, but for the first, in order.
pub(super) fn numbers(dir: &Path) -> Result<Vec<u64>, LogError> {
    let failed = |error| LogError::io("read", dir, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| {
            let number = name.strip_prefix(BEFORE_NUMBER)?;
            number.strip_suffix(BEHIND_NUMBER)?.parse::<u64>().ok()
        });
        found.extend(number.filter(|number| *number > 0));
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn remove(path: &Path) -> Result<(), LogError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Events, encoded one behind the other.
#[derive(Debug)]
pub struct Events {
    bytes: Vec<u8>,
    start: f64,
}

impl Events {
    /// The beginning of a file: its version. `start` is the time of step 0, seconds since 1970.
    #[must_use]
    pub fn new(start: f64) -> Self {
        let mut events = Self {
            bytes: Vec::new(),
            start,
        };
        events.push(&Event {
            wall_time: start,
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        });
        events
    }

    /// The same of a file with records. The first start of a session that `TensorBoard` reads means nothing to it, and each
    /// later one takes back what it has read: so every file has one.
    #[must_use]
    pub fn of_records(start: f64) -> Self {
        let mut events = Self::new(start);
        events.restart(0);
        events
    }

    /// What a run of several was given.
    pub fn begin(&mut self, session: &Session) {
        self.push(&tagged(self.start, session.begin(self.start)));
    }

    /// How it ended, so many seconds after its start.
    pub fn end(&mut self, session: &Session, elapsed: f64) {
        let end = self.start + elapsed;
        self.push(&tagged(end, session.end(end)));
    }

    /// What was told of this step and those behind it counts no more, as when a program goes on from a checkpoint.
    pub fn restart(&mut self, step: u64) {
        self.push(&Event {
            wall_time: self.start,
            step: step_number(step),
            session_log: Some(SessionLog {
                status: SessionStatus::Start.into(),
            }),
            ..Event::default()
        });
    }

    /// An event for each record, with the seconds from the run's start to its end.
    pub fn records(&mut self, records: &[Record], elapsed: &[f64]) {
        for (record, elapsed) in records.iter().zip(elapsed) {
            self.push(&Event {
                wall_time: self.start + elapsed,
                step: step_number(record.step),
                summary: Some(Summary {
                    value: values(record),
                }),
                ..Event::default()
            });
        }
    }

    /// The bytes of all events since they were last taken.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn push(&mut self, event: &Event) {
        let payload = event.encode_to_vec();
        let length = (payload.len() as u64).to_le_bytes();
        let parts: [&[u8]; 4] = [
            &length,
            &masked_crc(&length).to_le_bytes(),
            &payload,
            &masked_crc(&payload).to_le_bytes(),
        ];
        self.bytes.extend(parts.concat());
    }
}

fn step_number(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn tagged(wall_time: f64, value: Value) -> Event {
    let value = vec![value];
    Event {
        wall_time,
        summary: Some(Summary { value }),
        ..Event::default()
    }
}

fn values(record: &Record) -> Vec<Value> {
    let value = |tag: String, value: f64| Value {
        tag,
        simple_value: Some(value as f32),
        ..Value::default()
    };
    let scalars = record
        .scalars
        .iter()
        .map(|(name, &v)| value(name.to_string(), v));
    let layers = record.layers.iter().flat_map(|(name, layers)| {
        let name = name.strip_prefix("layer_").unwrap_or(name);
        let tagged = layers.iter().enumerate();
        tagged.map(move |(layer, &v)| value(format!("layers/{name}/{layer}"), v))
    });
    scalars.chain(layers).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::export::Hparam;

    /// The name of a file of this program.
    pub(crate) fn named(number: u64) -> String {
        format!("events.out.tfevents.{number:010}.workbench")
    }

    /// Takes a file apart by the rules above and checks every checksum.
    pub(crate) fn unframe(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (length_crc, rest) = rest.split_at(4);
            assert_eq!(length_crc, masked_crc(length).to_le_bytes());
            let n = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let (payload, rest) = rest.split_at(n);
            let (payload_crc, rest) = rest.split_at(4);
            assert_eq!(payload_crc, masked_crc(payload).to_le_bytes());
            events.push(Event::decode(payload).unwrap());
            bytes = rest;
        }
        events
    }

    #[test]
    fn the_first_event_is_the_published_header() {
        // The first 24 bytes + payload of any TensorBoard file: length 24, its known masked CRC.
        let out = Events::new(1.0).take();
        assert_eq!(
            &out[..12],
            [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]
        );
        assert_eq!(
            unframe(&out)[0].file_version.as_deref(),
            Some("brain.Event:2")
        );
    }

    #[test]
    fn steps_times_tags_and_zeros_arrive() {
        let mut record = Record::new(4);
        record.set_named("skipped", 0.0);
        record.set_named("step_seconds", 0.5);
        record.set_layers_named("layer_grad_norm", vec![1.0, f64::NAN]);
        let dir = tempfile::tempdir().unwrap();
        let path = tensorboard(&[record], &dir.path().join("tb"), 100.0).unwrap();
        let events = unframe(&fs::read(&path).unwrap());
        assert_eq!((events[2].step, events[2].wall_time), (4, 100.5));
        let values = &events[2].summary.as_ref().unwrap().value;
        let tags: Vec<_> = values.iter().map(|value| value.tag.as_str()).collect();
        assert_eq!(
            tags,
            [
                "skipped",
                "step_seconds",
                "layers/grad_norm/0",
                "layers/grad_norm/1"
            ]
        );
        assert_eq!(
            values[0].simple_value,
            Some(0.0),
            "a zero is written, not left out"
        );
        assert!(values[3].simple_value.unwrap().is_nan());
    }

    /// TensorBoard groups runs by what their first and last event say.
    #[test]
    fn a_session_stands_around_the_records() {
        let session = Session {
            hparams: vec![("optimizer.lr".to_owned(), Hparam::Number(0.5))],
            group: "arm a".to_owned(),
            finished: true,
        };
        let mut events = Events::new(100.0);
        events.begin(&session);
        events.records(&[Record::new(1)], &[2.0]);
        events.end(&session, 2.0);
        let events = unframe(&events.take());
        assert_eq!(events.len(), 4);
        let tag = |event: &Event| event.summary.as_ref().unwrap().value[0].tag.clone();
        assert_eq!(tag(&events[1]), "_hparams_/session_start_info");
        assert_eq!(tag(&events[3]), "_hparams_/session_end_info");
        let value = &events[1].summary.as_ref().unwrap().value[0];
        let plugin = value
            .metadata
            .as_ref()
            .unwrap()
            .plugin_data
            .as_ref()
            .unwrap();
        assert_eq!(plugin.plugin_name, "hparams");
        let content = String::from_utf8_lossy(&plugin.content);
        assert!(content.contains("optimizer.lr") && content.contains("arm a"));
    }
}
