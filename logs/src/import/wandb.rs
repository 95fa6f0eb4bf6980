//! W&B offline runs: `.wandb` files.
//!
//! A file begins with `:W&B`, the number 0xbee1 and a version. Then come the records of a `LevelDB` log, in
//! blocks of 32 KiB: `crc: u32 LE`, `length: u16 LE`, `kind: u8`, `data`, where a long record is split over
//! blocks. The checksum is the plain CRC-32 (IEEE, that of zlib) of kind and data, where `LevelDB` has a
//! masked CRC-32C. A record is a `wandb_internal.Record` of protocol buffers (`wandb_internal.proto` of the
//! package `wandb`), of which only the history is read.

use prost::Message;

use super::collect::Log;
use super::names::{Columns, number, step_of};
use super::{Format, Source, is_padding};

/// How the file begins.
const MAGIC: &[u8] = b":W&B\xe1\xbe";
/// Magic and version.
const FILE_HEADER: usize = 7;
/// Bytes of a block; no record's header crosses from one to the next.
const BLOCK: usize = 32 * 1024;
/// Bytes before the data of a piece.
const HEADER: usize = 7;

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(message, optional, tag = "2")]
    history: Option<History>,
}

#[derive(Clone, PartialEq, Message)]
struct History {
    #[prost(message, repeated, tag = "1")]
    item: Vec<Item>,
    #[prost(message, optional, tag = "2")]
    step: Option<Step>,
}

#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, repeated, tag = "2")]
    nested_key: Vec<String>,
    #[prost(string, tag = "16")]
    value_json: String,
}

#[derive(Clone, PartialEq, Message)]
struct Step {
    #[prost(int64, tag = "1")]
    num: i64,
}

/// Offline runs of W&B.
#[derive(Debug)]
pub(super) struct OfflineRun;

impl Format for OfflineRun {
    fn name(&self) -> &'static str {
        "wandb"
    }

    fn recognises(&self, source: &Source, _: &Columns) -> bool {
        source.bytes.starts_with(MAGIC) || source.file_name().contains(".wandb")
    }

    fn read(&self, source: &Source, columns: &Columns) -> Log {
        let mut log = Log::new(false);
        if !source.bytes.starts_with(MAGIC) {
            log.notes
                .push("the file does not begin as a W&B run does".to_owned());
            log.damaged += 1;
        }
        for piece in whole_records(&source.bytes) {
            match piece.map(|record| Record::decode(record.as_slice())) {
                Some(Ok(record)) => {
                    if let Some(history) = record.history {
                        take(&history, columns, &mut log);
                    }
                }
                Some(Err(_)) | None => log.damaged += 1,
            }
        }
        log
    }
}

fn take(history: &History, columns: &Columns, log: &mut Log) {
    let items: Vec<(String, f64)> = history.item.iter().filter_map(field).collect();
    let names: Vec<&str> = items.iter().map(|(name, _)| name.as_str()).collect();
    let column = columns.step(&names);
    let stated = history
        .step
        .as_ref()
        .and_then(|step| u64::try_from(step.num).ok());
    let step = column.map_or(stated, |place| step_of(items[place].1));
    let Some(step) = step else {
        log.damaged += 1;
        return;
    };
    let time = columns.time(&names);
    for place in [column, time].into_iter().flatten() {
        log.key(names[place]);
    }
    log.at(step);
    for (place, (name, value)) in items.iter().enumerate() {
        if Some(place) == time {
            log.time(*value);
        } else if Some(place) != column && name != "_runtime" {
            log.put(name, *value);
        }
    }
}

/// Name and number of an item; nothing for a text, an image, a histogram.
fn field(item: &Item) -> Option<(String, f64)> {
    let value = number(&item.value_json)?;
    let name = if item.nested_key.is_empty() {
        item.key.clone()
    } else {
        item.nested_key.join(".")
    };
    Some((name, value))
}

/// The records of a file in order, `None` for each that is damaged.
fn whole_records(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    const FULL: u8 = 1;
    const FIRST: u8 = 2;
    const MIDDLE: u8 = 3;
    const LAST: u8 = 4;
    let mut records = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let mut at = FILE_HEADER.min(bytes.len());
    while !is_padding(&bytes[at..]) {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at = (at + left).min(bytes.len());
            continue;
        }
        let Some((kind, data)) = piece(&bytes[at..bytes.len().min(at + left)]) else {
            // The rest of the block cannot be trusted: where its pieces begin is unknown.
            records.push(None);
            open = None;
            at = (at + left).min(bytes.len());
            continue;
        };
        at += HEADER + data.len();
        match (kind, open.take()) {
            (FULL, None) => records.push(Some(data.to_vec())),
            (FIRST, None) => open = Some(data.to_vec()),
            (MIDDLE, Some(start)) => open = Some([&start, data].concat()),
            (LAST, Some(start)) => records.push(Some([&start, data].concat())),
            // A beginning without its end is lost, and what follows stands by itself.
            (FULL, Some(_)) => records.extend([None, Some(data.to_vec())]),
            (FIRST, Some(_)) => {
                records.push(None);
                open = Some(data.to_vec());
            }
            // The end of a record whose beginning is lost, which is counted already.
            (MIDDLE | LAST, None) => {}
            // No kind that the format has, behind a checksum that agrees.
            (0 | 5.., open) => {
                records.extend(std::iter::repeat_n(None, 1 + usize::from(open.is_some())));
            }
        }
    }
    if open.is_some() {
        records.push(None);
    }
    records
}

/// Kind and data of the piece at the beginning of `block`, if its checksum agrees.
fn piece(block: &[u8]) -> Option<(u8, &[u8])> {
    let crc = u32::from_le_bytes(block.get(..4)?.try_into().ok()?);
    let length = u16::from_le_bytes(block.get(4..6)?.try_into().ok()?);
    let checked = block.get(6..HEADER + usize::from(length))?;
    (crc32fast::hash(checked) == crc).then(|| (checked[0], &checked[1..]))
}
