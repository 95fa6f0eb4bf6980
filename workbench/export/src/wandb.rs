//! W&B offline runs: folders that `wandb sync` uploads.
//!
//! A file begins with `:W&B`, the number 0xbee1 and a version. Then come records of protocol buffers in blocks of 32 KiB, as
//! `logs::import` reads them: `crc: u32 LE`, `length: u16 LE`, `kind: u8`, `data`, where the checksum is the plain CRC-32 of kind and
//! data and a record that does not fit is split. The messages are those of `wandb_internal.proto` of the package `wandb`.

use crate::ExportError;
use crate::source::{Run, Source};
use logs::{Record, output};
use prost::Message;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use sweeps::card::{label, number};

/// How the file begins: magic and version.
const HEADER: &[u8] = b":W&B\xe1\xbe\x00";
const BLOCK: usize = 32 * 1024;
/// Bytes before the data of a piece.
const PIECE: usize = 7;

/// The oldest reader that understands what is written here.
const OLDEST: &str = "0.12.0";

/// Writes one folder for each run into `dir`, `offline-run-<date>-<id>`, and returns them. Names are those of the runs, groups those of
/// the arms, the project that of the card; axis values, seed and outcome are the configuration. What is not finite is `NaN` or
/// `Infinity`, as the package itself writes it.
pub fn wandb(source: &Source, dir: &Path) -> Result<Vec<PathBuf>, ExportError> {
    source
        .runs()
        .iter()
        .map(|run| one(source.name(), run, dir))
        .collect()
}

fn one(project: &str, run: &Run<'_>, dir: &Path) -> Result<PathBuf, ExportError> {
    let id = id(run.id);
    let folder = dir.join(format!("offline-run-{}-{id}", date(run.start())));
    logs::folder::make(&folder).map_err(|error| logs::LogError::io("create", &folder, error))?;
    output::fill(&folder.join(format!("run-{id}.wandb")), |file| {
        let mut out = Blocks::new(BufWriter::new(file))?;
        write(project, run, &id, &mut out)?;
        out.out.flush()
    })?;
    Ok(folder)
}

/// A run id that W&B takes: it allows no `/ \ # ? % :` and 128 characters.
fn id(name: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    name.chars().map(allowed).take(128).collect()
}

/// `20260102_030405`, in UTC.
fn date(start: f64) -> String {
    let time = jiff::Timestamp::from_second(start as i64).unwrap_or_default();
    time.strftime("%Y%m%d_%H%M%S").to_string()
}

fn write(project: &str, run: &Run<'_>, id: &str, out: &mut Blocks<impl Write>) -> io::Result<()> {
    let version = VersionInfo {
        producer: OLDEST.to_owned(),
        min_consumer: OLDEST.to_owned(),
    };
    out.record(Kind::Header(Header {
        version_info: Some(version),
    }))?;
    out.record(Kind::Run(run_message(project, run, id)))?;
    let mut update = Vec::new();
    let seconds = run.parts(0, 0.0, |records, elapsed| {
        for (record, seconds) in records.iter().zip(elapsed) {
            out.record(Kind::History(history(record, run.start(), *seconds)))?;
        }
        update = records.last().map_or(Vec::new(), items);
        Ok::<(), io::Error>(())
    })?;
    out.record(Kind::Summary(Summary { update }))?;
    let exit_code = i32::from(!run.finished());
    let runtime = seconds as i32;
    out.record(Kind::Exit(Exit { exit_code, runtime }))
}

fn run_message(project: &str, run: &Run<'_>, id: &str) -> RunMessage {
    let of_axes = run.settings.iter().map(|(key, value)| {
        let json = number(value).map_or_else(|| json_text(&label(value)), json_number);
        (key.clone(), json)
    });
    let seed = run.seed.map(|seed| ("seed".to_owned(), seed.to_string()));
    let outcome = ("outcome".to_owned(), json_text(&run.outcome));
    let update = of_axes.chain(seed).chain([outcome]);
    let item = |(key, value_json)| Item {
        key,
        nested_key: Vec::new(),
        value_json,
    };
    RunMessage {
        run_id: id.to_owned(),
        project: project.to_owned(),
        config: Some(Config {
            update: update.map(item).collect(),
        }),
        run_group: run.arm.to_owned(),
        display_name: run.id.to_owned(),
        start_time: Some(Timestamp {
            seconds: run.start() as i64,
        }),
    }
}

fn history(record: &Record, start: f64, seconds: f64) -> History {
    let own = [
        ("_step", record.step as f64),
        ("_timestamp", start + seconds),
        ("_runtime", seconds),
    ];
    let mut item = items(record);
    item.extend(own.map(|(name, value)| Item::new(name.to_owned(), value)));
    let num = i64::try_from(record.step).unwrap_or(i64::MAX);
    History {
        item,
        step: Some(Step { num }),
    }
}

/// Every value of a record; those of layers as `layers/grad_norm/3`, as TensorBoard has them.
fn items(record: &Record) -> Vec<Item> {
    let scalars = record
        .scalars
        .iter()
        .map(|(name, value)| Item::new(name.to_string(), *value));
    let layers = record.layers.iter().flat_map(|(name, values)| {
        let name = name.strip_prefix("layer_").unwrap_or(name);
        let of = values.iter().enumerate();
        of.map(move |(layer, value)| Item::new(format!("layers/{name}/{layer}"), *value))
    });
    scalars.chain(layers).collect()
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JSON as Python's module writes it: numbers that are not finite by name.
fn json_number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => {
            (if value > 0.0 { "Infinity" } else { "-Infinity" }).to_owned()
        }
        value => serde_json::Value::from(value).to_string(),
    }
}

/// Writes records into blocks.
struct Blocks<W> {
    out: W,
    /// Bytes of the current block.
    used: usize,
    /// Records so far.
    count: i64,
}

impl<W: Write> Blocks<W> {
    fn new(mut out: W) -> io::Result<Self> {
        out.write_all(HEADER)?;
        let used = HEADER.len();
        Ok(Self {
            out,
            used,
            count: 0,
        })
    }

    fn record(&mut self, kind: Kind) -> io::Result<()> {
        self.count += 1;
        let record = RecordMessage {
            num: self.count,
            kind: Some(kind),
        };
        self.bytes(&record.encode_to_vec())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        const FULL: u8 = 1;
        const FIRST: u8 = 2;
        const MIDDLE: u8 = 3;
        const LAST: u8 = 4;
        let mut rest = bytes;
        let mut is_first = true;
        loop {
            if BLOCK - self.used < PIECE {
                self.out.write_all(&[0; PIECE][..BLOCK - self.used])?;
                self.used = 0;
            }
            let (data, behind) = rest.split_at(rest.len().min(BLOCK - self.used - PIECE));
            let kind = match (is_first, behind.is_empty()) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            self.piece(kind, data)?;
            (rest, is_first) = (behind, false);
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// One piece, which fits into the block.
    fn piece(&mut self, kind: u8, data: &[u8]) -> io::Result<()> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&[kind]);
        checksum.update(data);
        self.out.write_all(&checksum.finalize().to_le_bytes())?;
        self.out.write_all(&(data.len() as u16).to_le_bytes())?;
        self.out.write_all(&[kind])?;
        self.out.write_all(data)?;
        self.used = (self.used + PIECE + data.len()) % BLOCK;
        Ok(())
    }
}

impl Item {
    fn new(key: String, value: f64) -> Self {
        // A name with a dot or slash would be taken apart as a key.
        Self {
            key: String::new(),
            nested_key: vec![key],
            value_json: json_number(value),
        }
    }
}

/// `wandb_internal.Record`.
#[derive(Clone, PartialEq, Message)]
struct RecordMessage {
    #[prost(int64, tag = "1")]
    num: i64,
    #[prost(oneof = "Kind", tags = "2, 3, 17, 18, 21")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "2")]
    History(History),
    #[prost(message, tag = "3")]
    Summary(Summary),
    #[prost(message, tag = "17")]
    Run(RunMessage),
    #[prost(message, tag = "18")]
    Exit(Exit),
    #[prost(message, tag = "21")]
    Header(Header),
}

/// `HistoryRecord`.
#[derive(Clone, PartialEq, Message)]
struct History {
    #[prost(message, repeated, tag = "1")]
    item: Vec<Item>,
    #[prost(message, optional, tag = "2")]
    step: Option<Step>,
}

/// `HistoryItem`, `SummaryItem` and `ConfigItem`, which are alike.
#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, repeated, tag = "2")]
    nested_key: Vec<String>,
    #[prost(string, tag = "16")]
    value_json: String,
}

/// `HistoryStep`.
#[derive(Clone, PartialEq, Message)]
struct Step {
    #[prost(int64, tag = "1")]
    num: i64,
}

/// `SummaryRecord`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    update: Vec<Item>,
}

/// `RunRecord`.
#[derive(Clone, PartialEq, Message)]
struct RunMessage {
    #[prost(string, tag = "1")]
    run_id: String,
    #[prost(string, tag = "3")]
    project: String,
    #[prost(message, optional, tag = "4")]
    config: Option<Config>,
    #[prost(string, tag = "6")]
    run_group: String,
    #[prost(string, tag = "8")]
    display_name: String,
    #[prost(message, optional, tag = "17")]
    start_time: Option<Timestamp>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// `ConfigRecord`.
#[derive(Clone, PartialEq, Message)]
struct Config {
    #[prost(message, repeated, tag = "1")]
    update: Vec<Item>,
}

/// `RunExitRecord`.
#[derive(Clone, PartialEq, Message)]
struct Exit {
    #[prost(int32, tag = "1")]
    exit_code: i32,
    #[prost(int32, tag = "2")]
    runtime: i32,
}

/// `HeaderRecord`.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(message, optional, tag = "1")]
    version_info: Option<VersionInfo>,
}

/// `VersionInfo`.
#[derive(Clone, PartialEq, Message)]
struct VersionInfo {
    #[prost(string, tag = "1")]
    producer: String,
    #[prost(string, tag = "2")]
    min_consumer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that is longer than a block, and one that ends just before the end of a block, come back: the pieces are those
    /// that `logs::import` puts together.
    #[test]
    fn no_header_crosses_a_block_and_long_records_are_split() {
        let mut out = Vec::new();
        let mut blocks = Blocks::new(&mut out).unwrap();
        // Leaves six bytes of the first block, too few for a header.
        blocks
            .bytes(&vec![b'a'; BLOCK - HEADER.len() - PIECE - 6])
            .unwrap();
        blocks.bytes(&vec![b'b'; 2 * BLOCK]).unwrap();
        blocks.bytes(b"").unwrap();
        let kind_at = |at: usize| out[at + 6];
        assert_eq!(kind_at(HEADER.len()), 1);
        assert_eq!(out[BLOCK - 6..BLOCK], [0; 6]);
        assert_eq!(kind_at(BLOCK), 2);
        assert_eq!(kind_at(2 * BLOCK), 3);
        assert_eq!(kind_at(3 * BLOCK), 4);
        let end = out.len();
        assert_eq!(
            (kind_at(end - PIECE), out[end - 3], out[end - 2]),
            (1, 0, 0)
        );
    }

    #[test]
    fn ids_and_dates_are_such_as_the_package_makes() {
        assert_eq!(id("a/b c:%"), "a-b-c--");
        assert_eq!(date(1_767_323_045.0), "20260102_030405");
        assert_eq!(json_number(f64::NEG_INFINITY), "-Infinity");
    }
}
