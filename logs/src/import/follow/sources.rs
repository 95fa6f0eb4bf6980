//! The files that are followed, and what became of them.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::group::{Entry, followed};
use super::super::source::Source;
use super::super::{Attempt, Extent, Import, ImportError, LogFile, Origin, read_source};
use crate::disk::Stamp;
use crate::record::Record;

/// A file that is followed, or was.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) origin: Origin,
    /// Its attempts as the manifest has them.
    pub(super) attempts: Vec<Attempt>,
    /// Its records by attempt; none of a file that is gone, or not read yet.
    pub(super) records: Vec<Vec<Record>>,
    path: PathBuf,
    /// How it was when it was read.
    stamp: Option<Stamp>,
    /// How much of it was read.
    extent: Extent,
}

impl Followed {
    /// A file of an earlier follower.
    pub(super) fn earlier(origin: Origin, attempts: Vec<Attempt>) -> Self {
        Self {
            path: PathBuf::from(&origin.file),
            extent: origin.followed.clone().unwrap_or_default(),
            origin,
            attempts,
            records: Vec::new(),
            stamp: None,
        }
    }

    fn new(path: &Path, stamp: Stamp, source: &Source, log: LogFile) -> Self {
        // Zeros at the end may be a part that is not written yet.
        let end = source.bytes.iter().rposition(|byte| *byte != 0);
        let read = &source.bytes[..end.map_or(0, |end| end + 1)];
        let extent = Extent {
            bytes: read.len() as u64,
            hash: hash(read),
            clock: log.clock,
            gone: false,
        };
        Self {
            origin: Origin {
                followed: Some(extent.clone()),
                ..log.origin
            },
            attempts: Vec::new(),
            records: log.attempts,
            path: path.to_owned(),
            stamp: Some(stamp),
            extent,
        }
    }

    /// Whether it is no longer there, or another file stands in its place.
    pub(super) fn is_gone(&self) -> bool {
        self.extent.gone
    }

    /// Whether `bytes` begin with what was read of this file.
    fn begins(&self, bytes: &[u8]) -> bool {
        let read = usize::try_from(self.extent.bytes).ok();
        let beginning = read.and_then(|read| bytes.get(..read));
        beginning.is_some_and(|beginning| hash(beginning) == self.extent.hash)
    }

    /// First step, and how many there are.
    fn length(&self) -> (u64, usize) {
        let first = self.records.first().and_then(|attempt| attempt.first());
        let records = self.records.iter().map(Vec::len).sum();
        (first.map_or(0, |record| record.step), records)
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether there is anything to write.
    pub(super) changed: bool,
    /// What the user should hear, one sentence each.
    pub(super) lines: Vec<String>,
}

/// All files of the run, the earliest attempt first.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) known: Vec<Followed>,
    /// Whether the run goes on with at least one file that it knows, or knows none.
    is_met: bool,
    /// The run that the files belong to by their names.
    group: Option<String>,
    /// Files that are no logs (yet) or of another run, as they were then.
    passed_over: HashMap<PathBuf, Stamp>,
    /// What was said already.
    told: HashSet<String>,
}

impl Sources {
    pub(super) fn new(known: Vec<Followed>) -> Self {
        Self {
            is_met: known.is_empty(),
            known,
            group: None,
            passed_over: HashMap::new(),
            told: HashSet::new(),
        }
    }

    /// Reads what is new or has changed.
    pub(super) fn look(&mut self, request: &Import) -> Result<News, ImportError> {
        let files = match followed(request) {
            // Renamed or removed while the folder was read: the next look finds it.
            Err(ImportError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(News::default());
            }
            files => files?,
        };
        let out = request.out.canonicalize().ok();
        let inside = |path: &Path| {
            let path = path.canonicalize().ok();
            path.zip(out.as_ref())
                .is_some_and(|(path, out)| path.starts_with(out))
        };
        let files: Vec<_> = files
            .into_iter()
            .filter(|(entry, _)| !inside(&entry.path))
            .collect();
        let mut news = News::default();
        for path in request.paths.iter().filter(|path| !path.exists()) {
            let text = format!("`{}` is not there; waiting for it", path.display());
            self.tell(&mut news, text);
        }
        let mut here = HashSet::new();
        let mut unmatched = Vec::new();
        for (entry, group) in &files {
            if let Some(stamp) = self.reread(entry, group, request, &mut here, &mut news)? {
                unmatched.push((entry, group, stamp));
            }
        }
        let mut fresh = Vec::new();
        for (entry, group, stamp) in unmatched {
            let moved = self.moved(entry, group, stamp, request, &mut here, &mut news)?;
            fresh.extend(moved.map(|new| (group, entry.rotations(), new)));
        }
        let fresh = self.of_this_run(fresh, &mut news)?;
        if !fresh.is_empty() && !self.is_met {
            return Err(self.other_run(request));
        }
        self.mark_gone(&here, &files, &mut news);
        news.changed |= !fresh.is_empty();
        self.take(fresh);
        Ok(news)
    }

    /// Takes in the file at the place of a known one that goes on with it, or has not changed. Returns the stamp
    /// of any other file that is worth reading.
    fn reread(
        &mut self,
        entry: &Entry,
        group: &str,
        request: &Import,
        here: &mut HashSet<usize>,
        news: &mut News,
    ) -> Result<Option<Stamp>, ImportError> {
        let Some(stamp) = Stamp::of(&entry.path) else {
            return Ok(None);
        };
        let at_place = |known: &Followed| known.path == entry.path;
        let mut places = (0..self.known.len()).filter(|&at| at_place(&self.known[at]));
        let Some(first) = places.next() else {
            let is_news = self.passed_over.get(&entry.path) != Some(&stamp);
            return Ok(is_news.then_some(stamp));
        };
        self.is_met = true;
        let places: Vec<usize> = std::iter::once(first).chain(places).collect();
        let unchanged = |at: &&usize| self.known[**at].stamp == Some(stamp);
        if let Some(&at) = places.iter().find(unchanged) {
            here.insert(at);
            return Ok(None);
        }
        let Some(source) = self.source(entry, news)? else {
            // It is there, and cannot be read now.
            here.extend(places);
            return Ok(None);
        };
        let same = places
            .into_iter()
            .find(|&at| self.known[at].begins(&source.bytes));
        match same {
            Some(at) => {
                here.insert(at);
                self.renew(at, entry, group, stamp, &source, request, news);
                Ok(None)
            }
            None => Ok(Some(stamp)),
        }
    }

    /// A file that is new at its place: a known one that was moved there, or one to add.
    fn moved(
        &mut self,
        entry: &Entry,
        group: &str,
        stamp: Stamp,
        request: &Import,
        here: &mut HashSet<usize>,
        news: &mut News,
    ) -> Result<Option<Followed>, ImportError> {
        let Some(source) = self.source(entry, news)? else {
            return Ok(None);
        };
        let is_it = |at: &usize| {
            let known = &self.known[*at];
            !here.contains(at) && known.extent.bytes > 0 && known.begins(&source.bytes)
        };
        if let Some(at) = (0..self.known.len()).find(is_it) {
            here.insert(at);
            self.is_met = true;
            self.renew(at, entry, group, stamp, &source, request, news);
            return Ok(None);
        }
        let log = self.log(entry, stamp, &source, request, news);
        Ok(log.map(|log| Followed::new(&entry.path, stamp, &source, log)))
    }

    /// A file's bytes; none where it cannot be read now, which is told.
    fn source(&mut self, entry: &Entry, news: &mut News) -> Result<Option<Source>, ImportError> {
        match Source::read(&entry.path) {
            Ok(source) => Ok(Some(source)),
            Err(error @ ImportError::NotAFile { .. }) if entry.named => Err(error),
            Err(ImportError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let text = format!("{error}: {}", cause.unwrap_or_default());
                self.tell(news, text);
                Ok(None)
            }
        }
    }

    /// What a source says. One that is no log, and may become one, is passed over until it changes.
    fn log(
        &mut self,
        entry: &Entry,
        stamp: Stamp,
        source: &Source,
        request: &Import,
        news: &mut News,
    ) -> Option<LogFile> {
        match read_source(source, &request.columns) {
            Ok(log) => Some(log),
            Err(error) => {
                self.passed_over.insert(entry.path.clone(), stamp);
                if entry.named {
                    let text = format!("{error}; waiting until it changes");
                    self.tell(news, text);
                }
                None
            }
        }
    }

    /// Replaces what was known of a file.
    #[allow(
        clippy::too_many_arguments,
        reason = "one call from each of two places"
    )]
    fn renew(
        &mut self,
        at: usize,
        entry: &Entry,
        group: &str,
        stamp: Stamp,
        source: &Source,
        request: &Import,
        news: &mut News,
    ) {
        self.group.get_or_insert_with(|| group.to_owned());
        if let Some(log) = self.log(entry, stamp, source, request, news) {
            let attempts = std::mem::take(&mut self.known[at].attempts);
            self.known[at] = Followed {
                attempts,
                ..Followed::new(&entry.path, stamp, source, log)
            };
            news.changed = true;
        } else {
            self.known[at].stamp = Some(stamp);
        }
    }

    /// Of new files those of the run that is followed; the group of the first ones says which that is.
    fn of_this_run(
        &mut self,
        fresh: Vec<(&String, u32, Followed)>,
        news: &mut News,
    ) -> Result<Vec<(u32, Followed)>, ImportError> {
        let group = match (&self.group, fresh.first()) {
            (Some(group), _) => group.clone(),
            (None, None) => return Ok(Vec::new()),
            (None, Some((group, ..))) => {
                let mut names: Vec<String> =
                    fresh.iter().map(|(name, ..)| (*name).clone()).collect();
                names.sort();
                names.dedup();
                if names.len() > 1 {
                    return Err(ImportError::Several { names });
                }
                (*group).clone()
            }
        };
        self.group = Some(group.clone());
        let mut own = Vec::new();
        for (name, rotations, file) in fresh {
            if *name == group {
                own.push((rotations, file));
                continue;
            }
            let text = format!(
                "`{}` is not followed: by its name it belongs to another run, `{name}`",
                file.path.display()
            );
            self.tell(news, text);
            self.passed_over
                .extend(file.stamp.map(|stamp| (file.path, stamp)));
        }
        Ok(own)
    }

    fn other_run(&self, request: &Import) -> ImportError {
        let known = self.known.iter().map(|known| known.origin.file.clone());
        ImportError::OtherSource {
            path: request.out.clone(),
            known: known.collect(),
        }
    }

    /// Notices which of the known files are no longer there.
    fn mark_gone(&mut self, here: &HashSet<usize>, files: &[(Entry, String)], news: &mut News) {
        for at in 0..self.known.len() {
            let known = &mut self.known[at];
            if here.contains(&at) || known.extent.gone {
                continue;
            }
            let taken = files.iter().any(|(entry, _)| entry.path == known.path);
            let what = if taken {
                "was cut or replaced: it no longer begins with what was read of it"
            } else {
                "is gone"
            };
            let text = format!(
                "`{}` {what}. What was read of it stays in the run",
                known.path.display()
            );
            known.extent.gone = true;
            known.origin.followed = Some(known.extent.clone());
            known.origin.notes.push(format!("it {what}"));
            known.stamp = None;
            news.changed = true;
            news.lines.push(text);
        }
    }

    /// Adds new files, and orders all by their clocks where each has one.
    fn take(&mut self, mut fresh: Vec<(u32, Followed)>) {
        fresh.sort_by_key(|(rotations, file)| (Reverse(*rotations), file.length()));
        self.known.extend(fresh.into_iter().map(|(_, file)| file));
        let clock = |file: &Followed| file.extent.clock;
        if self.known.iter().all(|file| clock(file).is_some()) {
            self.known.sort_by(|a, b| {
                let (a, b) = (clock(a).unwrap_or(0.0), clock(b).unwrap_or(0.0));
                a.total_cmp(&b)
            });
        }
    }

    /// Takes in that everything was written, with these attempts. The records of files that are gone are no longer
    /// needed then.
    pub(super) fn settle(&mut self, attempts: &[Attempt]) {
        for (number, file) in self.known.iter_mut().enumerate() {
            let of_file = attempts.iter().filter(|attempt| attempt.source == number);
            file.attempts = of_file.cloned().collect();
            if file.is_gone() {
                file.records = Vec::new();
            }
        }
    }

    /// Whether a file that is gone comes behind file number `at`.
    pub(super) fn is_behind_gone(&self, at: usize) -> bool {
        let mut later = self.known.iter().skip(at + 1);
        later.any(|file| file.records.is_empty() && !file.attempts.is_empty())
    }

    /// Whether a file that is gone, and comes behind file number `at`, had this step: then the run's value is
    /// its, and the earlier file's must not take its place.
    pub(super) fn is_kept(&self, step: u64, at: usize) -> bool {
        let later = self.known.iter().skip(at + 1);
        let gone = later.filter(|file| file.records.is_empty());
        let mut ranges = gone.flat_map(|file| &file.attempts);
        ranges.any(|attempt| (attempt.first..=attempt.last).contains(&step))
    }

    fn tell(&mut self, news: &mut News, text: String) {
        if self.told.insert(text.clone()) {
            news.lines.push(text);
        }
    }
}
