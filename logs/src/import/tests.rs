//! Every format read whole, damaged and cut; which attempts make one run; what a run directory then says.

use std::path::{Path, PathBuf};

use super::collect::Log;
use super::names::Columns;
use super::source::Source;
use super::*;
use crate::read::RunReader;
use crate::record::Record;

mod damage;
mod directories;
mod follow;
mod formats;
mod round_trip;
mod stitching;

/// A source that was never a file.
fn source(name: &str, bytes: &[u8]) -> Source {
    Source {
        path: PathBuf::from(name),
        hash: String::new(),
        size: bytes.len() as u64,
        sound: bytes.len(),
        bytes: bytes.to_vec(),
        broken: None,
    }
}

/// Reads a source by the format that claims it.
fn read(name: &str, bytes: &[u8], map: &[&str]) -> (&'static str, Log) {
    let map: Vec<String> = map.iter().map(|entry| (*entry).to_owned()).collect();
    let columns = Columns::new(&map).unwrap();
    let source = source(name, bytes);
    let format = FORMATS
        .iter()
        .find(|format| format.recognises(&source, &columns))
        .unwrap();
    let mut log = format.read(&source, &columns);
    log.settle();
    (format.name(), log)
}

/// The records of a log, by attempt.
fn attempts(log: Log) -> Vec<Vec<Record>> {
    let naming = Columns::default().naming(log.names());
    log.into_records(&naming)
}

/// (step, name, bits) of every number.
fn numbers(log: Log) -> HashSet<(u64, String, u64)> {
    let records = attempts(log).into_iter().flatten();
    records.flat_map(of_record).collect()
}

fn of_record(record: Record) -> Vec<(u64, String, u64)> {
    let scalars = record.scalars.into_iter();
    scalars
        .map(move |(name, value)| (record.step, name.to_string(), value.to_bits()))
        .collect()
}

fn request(paths: &[&Path], out: &Path) -> Import {
    Import {
        paths: paths.iter().map(|path| path.to_path_buf()).collect(),
        given: Vec::new(),
        one_run: false,
        columns: Columns::default(),
        out: out.to_owned(),
        command: vec!["workbench".to_owned(), "import".to_owned()],
    }
}
