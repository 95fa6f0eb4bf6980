//! Reading `TensorBoard` event files; the format is in [`crate::tfevent`].

use prost::Message;

use super::collect::Log;
use super::names::Columns;
use super::{Format, Source, is_padding};
use crate::tfevent::{Event, Tensor, Value, masked_crc};

/// Bytes of a record's length and its checksum.
const HEADER: usize = 12;
/// Bytes of the payload's checksum.
const FOOTER: usize = 4;

/// Event files, also those of PyTorch and tensorboardX.
#[derive(Debug)]
pub(super) struct EventFile;

impl Format for EventFile {
    fn name(&self) -> &'static str {
        "tfevents"
    }

    fn recognises(&self, source: &Source, _: &Columns) -> bool {
        length_at(&source.bytes).is_some() || source.file_name().contains("tfevents")
    }

    fn read(&self, source: &Source, _: &Columns) -> Log {
        let mut log = Log::new(false);
        if let Some(created) = creation_time(source.file_name()) {
            log.time(created);
        }
        let mut rest: &[u8] = &source.bytes;
        while !is_padding(rest) {
            match record(rest) {
                Found::Payload(payload, behind) => {
                    take(payload, &mut log);
                    rest = behind;
                }
                Found::Damaged(behind) => {
                    log.damaged += 1;
                    rest = behind;
                }
            }
        }
        log
    }
}

/// `events.out.tfevents.SECONDS.HOST…`
fn creation_time(file: &str) -> Option<f64> {
    let (_, rest) = file.split_once("tfevents.")?;
    rest.split('.').next()?.parse().ok()
}

/// What stands at a place of the file, and what comes behind it.
enum Found<'a> {
    Payload(&'a [u8], &'a [u8]),
    Damaged(&'a [u8]),
}

fn record(bytes: &[u8]) -> Found<'_> {
    let Some(length) = length_at(bytes) else {
        return Found::Damaged(next_record(bytes));
    };
    let Some(end) = length
        .checked_add(HEADER + FOOTER)
        .filter(|&end| end <= bytes.len())
    else {
        // The file was cut, or is still being written.
        return Found::Damaged(&[]);
    };
    let (payload, crc) = bytes[HEADER..end].split_at(length);
    if crc == masked_crc(payload).to_le_bytes() {
        Found::Payload(payload, &bytes[end..])
    } else {
        Found::Damaged(&bytes[end..])
    }
}

/// The payload's length, where the bytes begin with one that has its checksum.
fn length_at(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
    let whole = bytes.get(8..HEADER)? == masked_crc(&length).to_le_bytes();
    usize::try_from(u64::from_le_bytes(length))
        .ok()
        .filter(|_| whole)
}

/// The bytes from the next place on that holds a length with its checksum: one damaged length must not
/// cost the rest of the file.
fn next_record(bytes: &[u8]) -> &[u8] {
    let next = (1..bytes.len()).find(|&at| length_at(&bytes[at..]).is_some());
    next.map_or(&[], |at| &bytes[at..])
}

fn take(payload: &[u8], log: &mut Log) {
    let Ok(event) = Event::decode(payload) else {
        log.damaged += 1;
        return;
    };
    log.time(event.wall_time);
    let Some(summary) = event.summary else {
        return;
    };
    let numbers: Vec<(String, f64)> = summary.value.into_iter().filter_map(scalar).collect();
    if numbers.is_empty() {
        return;
    }
    match u64::try_from(event.step) {
        Ok(step) => {
            log.at(step);
            for (tag, value) in &numbers {
                log.put(tag, *value);
            }
        }
        Err(_) => log.damaged += 1,
    }
}

/// Tag and number of a scalar; nothing for an image, a text, a histogram, and for the twins of Megatron whose
/// step counts samples.
fn scalar(value: Value) -> Option<(String, f64)> {
    let Value {
        tag,
        simple_value,
        tensor,
        metadata,
    } = value;
    if tag.ends_with(" vs samples") || tag.ends_with(" vs tokens") {
        return None;
    }
    if let Some(number) = simple_value {
        return Some((tag, f64::from(number)));
    }
    let plugin = metadata.and_then(|metadata| metadata.plugin_data);
    if plugin.is_some_and(|plugin| !["scalars", ""].contains(&plugin.plugin_name.as_str())) {
        return None;
    }
    Some((tag, element(&tensor?)?))
}

/// The number of a tensor with one element, of a type that TensorFlow's scalars can have.
fn element(tensor: &Tensor) -> Option<f64> {
    // Numbers of `tensorflow/core/framework/types.proto`.
    const FLOAT: i32 = 1;
    const DOUBLE: i32 = 2;
    const INT32: i32 = 3;
    const INT64: i32 = 9;
    let raw = &tensor.tensor_content;
    match tensor.dtype {
        FLOAT => one(raw, f32::from_le_bytes, &tensor.float_val).map(f64::from),
        DOUBLE => one(raw, f64::from_le_bytes, &tensor.double_val),
        INT32 => one(raw, i32::from_le_bytes, &tensor.int_val).map(f64::from),
        INT64 => one(raw, i64::from_le_bytes, &tensor.int64_val).map(|value| value as f64),
        _ => None,
    }
}

fn one<T: Copy, const N: usize>(raw: &[u8], parse: fn([u8; N]) -> T, list: &[T]) -> Option<T> {
    match list {
        [value] if raw.is_empty() => Some(*value),
        [] => Some(parse(raw.try_into().ok()?)),
        _ => None,
    }
}
