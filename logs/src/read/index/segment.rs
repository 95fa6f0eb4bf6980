//! One file of the index.
//!
//! `WBINDEX2`, the length of the head and its CRC-32 (four bytes each), the head as JSON, then the columns: steps and places as
//! 64-bit integers, scalars as 64-bit floats, what each per-layer signal does as 64 bits, little-endian, one after the other. The
//! head has a CRC-32 of every column.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::columns::{Column, Columns};
use super::state::State;
use crate::disk;
use crate::read::place::Place;
use crate::read::span::{ABSENT as NO_SPAN, Bits};
use crate::record::{Name, Names};

const MAGIC: &[u8; 8] = b"WBINDEX2";
/// Longest head that is read, bytes: a thousand names take a tenth of it.
const LONGEST_HEAD: u32 = 1 << 20;
/// Bits of a place that are the offset: 256 TiB.
const OFFSET_BITS: u32 = 48;
/// Columns before those of the scalars.
const STEPS: usize = 0;
const PLACES: usize = 1;
const SCALARS: usize = 2;

/// What a file of the index says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    /// CRC-32 of the head of the file before it; 0 of the first.
    before: u32,
    pub(super) records: usize,
    pub(super) first_step: u64,
    pub(super) last_step: u64,
    /// Names of the scalars, in the order of their columns.
    names: Vec<String>,
    /// Those of the per-layer signals, whose columns follow.
    layers: Vec<String>,
    /// CRC-32 of every column.
    columns: Vec<u32>,
    /// How far the records were read.
    pub(super) state: State,
}

/// Some records in a file of their own.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    pub(super) head: Head,
    /// CRC-32 of the head.
    pub(super) crc: u32,
    /// Bytes before the first column.
    start: u64,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Segment {
    /// Reads the head of a file that follows one with this CRC. An error of any kind means that there is no such file.
    pub(super) fn open(path: &Path, before: u32) -> io::Result<Self> {
        let mut file = disk::open(path)?;
        let mut front = [0; 16];
        file.read_exact(&mut front)?;
        let number = |at: usize| {
            u32::from_le_bytes([front[at], front[at + 1], front[at + 2], front[at + 3]])
        };
        let (length, crc) = (number(8), number(12));
        if !front.starts_with(MAGIC) || length > LONGEST_HEAD {
            return Err(broken("no index"));
        }
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text)?;
        if crc32fast::hash(&text) != crc {
            return Err(broken("a damaged head"));
        }
        let head: Head = serde_json::from_slice(&text)?;
        let start = front_length(length);
        let columns = (head.names.len() + head.layers.len() + SCALARS) as u64;
        let whole = start + columns * head.records as u64 * 8;
        let fits = head.columns.len() as u64 == columns && file.metadata()?.len() == whole;
        if head.before != before || !fits || head.records == 0 {
            return Err(broken("another index"));
        }
        let path = path.to_owned();
        Ok(Self {
            path,
            head,
            crc,
            start,
        })
    }

    /// Writes a file that follows one with this CRC, at once. It is not synced: its checksums say whether it is whole, and it
    /// can be made again.
    pub(super) fn write(
        path: &Path,
        before: u32,
        columns: &Columns,
        state: State,
    ) -> io::Result<Self> {
        let bytes = encode(columns);
        let (Some(first), Some(last)) = (columns.steps.first(), columns.steps.last()) else {
            return Err(broken("no records"));
        };
        let head = Head {
            before,
            records: columns.steps.len(),
            first_step: *first,
            last_step: *last,
            names: columns.scalars.keys().map(Name::to_string).collect(),
            layers: columns.spans.keys().map(Name::to_string).collect(),
            columns: bytes.iter().map(|bytes| crc32fast::hash(bytes)).collect(),
            state,
        };
        let text = serde_json::to_vec(&head)?;
        let crc = crc32fast::hash(&text);
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let front = [&MAGIC[..], &length.to_le_bytes(), &crc.to_le_bytes(), &text].concat();
        disk::replace_unsynced(path, |file| {
            file.write_all(&front)?;
            bytes.iter().try_for_each(|column| file.write_all(column))
        })?;
        let start = front_length(length);
        let path = path.to_owned();
        Ok(Self {
            path,
            head,
            crc,
            start,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Steps of all records.
    pub(super) fn steps(&self) -> io::Result<Vec<u64>> {
        self.column(STEPS, u64::from_le_bytes)
    }

    /// A scalar; of one that no record has, a column without values.
    pub(super) fn scalar(&self, name: &str) -> io::Result<Column> {
        match self.head.names.iter().position(|known| known == name) {
            Some(at) => Ok(Column(self.column(SCALARS + at, f64::from_le_bytes)?)),
            None => Ok(Column::absent(self.head.records)),
        }
    }

    /// What a per-layer signal does in each record.
    pub(super) fn span(&self, name: &str) -> io::Result<Vec<Bits>> {
        let scalars = self.head.names.len();
        match self.head.layers.iter().position(|known| known == name) {
            Some(at) => self.column(SCALARS + scalars + at, u64::from_le_bytes),
            None => Ok(vec![NO_SPAN; self.head.records]),
        }
    }

    /// Where the lines of all records stand.
    pub(super) fn places(&self) -> io::Result<Vec<Place>> {
        let place = |bytes| {
            let number = u64::from_le_bytes(bytes);
            Place {
                attempt: (number >> OFFSET_BITS) as u32,
                offset: number & ((1 << OFFSET_BITS) - 1),
            }
        };
        self.column(PLACES, place)
    }

    /// The records with some of their scalars; `None` for all.
    pub(super) fn columns(&self, only: Option<&[&str]>, names: &Names) -> io::Result<Columns> {
        let known = self.head.names.iter();
        let wanted = known.filter(|name| only.is_none_or(|only| only.contains(&name.as_str())));
        let column = |name: &String| Ok((names.known(name), self.scalar(name)?));
        let layers = self.head.layers.iter().filter(|_| only.is_none());
        let span = |name: &String| Ok((names.known(name), self.span(name)?));
        Ok(Columns {
            steps: self.steps()?,
            places: if only.is_none() {
                self.places()?
            } else {
                Vec::new()
            },
            scalars: wanted.map(column).collect::<io::Result<BTreeMap<_, _>>>()?,
            spans: layers.map(span).collect::<io::Result<BTreeMap<_, _>>>()?,
        })
    }

    /// Names of the scalars that any of the records has.
    pub(super) fn names(&self) -> &[String] {
        &self.head.names
    }

    fn column<T>(&self, number: usize, value: impl Fn([u8; 8]) -> T) -> io::Result<Vec<T>> {
        let mut bytes = vec![0; self.head.records * 8];
        let mut file = disk::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start + (number * bytes.len()) as u64))?;
        file.read_exact(&mut bytes)?;
        if self.head.columns.get(number) != Some(&crc32fast::hash(&bytes)) {
            return Err(broken("a damaged column"));
        }
        let (values, _) = bytes.as_chunks::<8>();
        Ok(values.iter().map(|bytes| value(*bytes)).collect())
    }
}

fn front_length(head: u32) -> u64 {
    16 + u64::from(head)
}

/// The bytes of every column.
fn encode(columns: &Columns) -> Vec<Vec<u8>> {
    let place = |place: &Place| u64::from(place.attempt) << OFFSET_BITS | place.offset;
    let steps = columns.steps.iter().flat_map(|step| step.to_le_bytes());
    let places = columns.places.iter().flat_map(|at| place(at).to_le_bytes());
    let mut all = vec![steps.collect(), places.collect()];
    let scalars = columns.scalars.values();
    all.extend(scalars.map(|column| column.0.iter().flat_map(|x| x.to_le_bytes()).collect()));
    let spans = columns.spans.values();
    all.extend(spans.map(|column| column.iter().flat_map(|bits| bits.to_le_bytes()).collect()));
    all
}
