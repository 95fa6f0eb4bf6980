//! Writing `TensorBoard` event files; the format is in [`crate::tfevent`].

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::hparams::{Experiment, Session};
use crate::error::LogError;
use crate::output;
use crate::record::Record;
use crate::tfevent::{Event, Summary, Value, masked_crc};

/// Writes `records` as an event file in the directory `dir`, which is created where needed, and
/// returns its path. Exporting again replaces the file.
///
/// Tags are the names, per-layer signals as `layers/grad_norm/3`. Values become f32, as `TensorBoard`
/// stores them. `start` is the time of step 0 in seconds since 1970, see
/// [`crate::Manifest::created_seconds`]; later steps follow by their `step_seconds`.
pub fn tensorboard(records: &[Record], dir: &Path, start: f64) -> Result<PathBuf, LogError> {
    in_file(dir, |out| {
        version(start, out)?;
        write_records(records, start, out).map(|_| ())
    })
}

/// [`tensorboard`] of a run of several, with what it was given.
pub fn tensorboard_session(
    records: &[Record],
    dir: &Path,
    start: f64,
    session: &Session,
) -> Result<PathBuf, LogError> {
    in_file(dir, |out| {
        version(start, out)?;
        frame(&tagged(start, session.begin(start)).encode_to_vec(), out)?;
        let end = write_records(records, start, out)?;
        frame(&tagged(end, session.end(end)).encode_to_vec(), out)
    })
}

/// Writes the event file that names the hyperparameters and metrics of all runs in folders under `dir`.
pub fn experiment(
    dir: &Path,
    experiment: &Experiment<'_>,
    start: f64,
) -> Result<PathBuf, LogError> {
    in_file(dir, |out| {
        version(start, out)?;
        frame(&tagged(start, experiment.value(start)).encode_to_vec(), out)
    })
}

fn in_file(
    dir: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<PathBuf, LogError> {
    std::fs::create_dir_all(dir).map_err(|error| LogError::io("create", dir, error))?;
    let path = dir.join("events.out.tfevents.0000000000.workbench");
    output::fill(&path, |file| {
        let mut out = BufWriter::new(file);
        fill(&mut out)?;
        out.flush()
    })?;
    Ok(path)
}

fn version(start: f64, out: &mut impl Write) -> io::Result<()> {
    let version = Event {
        wall_time: start,
        file_version: Some("brain.Event:2".to_owned()),
        ..Event::default()
    };
    frame(&version.encode_to_vec(), out)
}

fn tagged(wall_time: f64, value: Value) -> Event {
    let value = vec![value];
    Event {
        wall_time,
        summary: Some(Summary { value }),
        ..Event::default()
    }
}

/// Writes an event for each record; the time of the last one.
fn write_records(records: &[Record], start: f64, out: &mut impl Write) -> io::Result<f64> {
    let mut wall_time = start;
    for record in records {
        let seconds = record.scalar("step_seconds").unwrap_or(0.0);
        wall_time += if seconds.is_finite() { seconds } else { 0.0 };
        let event = Event {
            wall_time,
            step: i64::try_from(record.step).unwrap_or(i64::MAX),
            file_version: None,
            summary: Some(Summary {
                value: values(record),
            }),
        };
        frame(&event.encode_to_vec(), out)?;
    }
    Ok(wall_time)
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

fn frame(payload: &[u8], out: &mut impl Write) -> io::Result<()> {
    let length = (payload.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked_crc(&length).to_le_bytes())?;
    out.write_all(payload)?;
    out.write_all(&masked_crc(payload).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::Hparam;

    /// Takes a file apart by the rules above and checks every checksum.
    fn unframe(mut bytes: &[u8]) -> Vec<Event> {
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
        let mut out = Vec::new();
        version(1.0, &mut out).unwrap();
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
        let events = unframe(&std::fs::read(&path).unwrap());
        assert_eq!((events[1].step, events[1].wall_time), (4, 100.5));
        let values = &events[1].summary.as_ref().unwrap().value;
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
        let dir = tempfile::tempdir().unwrap();
        let session = Session {
            hparams: vec![("optimizer.lr".to_owned(), Hparam::Number(0.5))],
            group: "arm a".to_owned(),
            finished: true,
        };
        let path = tensorboard_session(&[Record::new(1)], dir.path(), 100.0, &session).unwrap();
        let events = unframe(&std::fs::read(&path).unwrap());
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
