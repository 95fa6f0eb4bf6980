//! The files that are followed, and what became of them.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::group::{Entry, followed};
use super::super::source::Source;
use super::super::{Attempt, Import, ImportError, LogFile, read_source};
use super::followed::Followed;
use crate::disk::{Stamp, is_bad_input};
use words::printable_path;

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether there is anything to write.
    pub(super) changed: bool,
    /// What the user should hear, one sentence each.
    pub(super) lines: Vec<String>,
}

/// A look that goes on.
struct Look<'a> {
    request: &'a Import,
    /// Numbers of the known files that are there.
    here: HashSet<usize>,
    news: News,
}

/// A file as it is now, with the run that it belongs to by its name.
#[derive(Clone, Copy)]
struct Found<'a> {
    entry: &'a Entry,
    group: &'a str,
    stamp: Stamp,
}

/// Refuses a path that can lead nowhere, as a loop of links, and would be waited for in vain.
fn check_can_come(path: &Path) -> Result<(), ImportError> {
    match path.try_exists() {
        Err(source) if is_bad_input(&source) => Err(ImportError::Read {
            path: path.to_owned(),
            source,
        }),
        Ok(_) | Err(_) => Ok(()),
    }
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
        let mut look = Look {
            request,
            here: HashSet::new(),
            news: News::default(),
        };
        for path in request.paths.iter().filter(|path| !path.exists()) {
            check_can_come(path)?;
            let text = format!("`{}` is not there; waiting for it", printable_path(path));
            self.tell(&mut look.news, text);
        }
        let mut unmatched = Vec::new();
        for (entry, group) in &files {
            let found = Stamp::of(&entry.path).map(|stamp| Found {
                entry,
                group,
                stamp,
            });
            if let Some(found) = found
                && !self.reread(found, &mut look)?
            {
                unmatched.push(found);
            }
        }
        let mut fresh = Vec::new();
        for found in unmatched {
            let new = self.moved(found, &mut look)?;
            fresh.extend(new.map(|new| (found.group, found.entry.rotations(), new)));
        }
        let mut news = self.mark_gone(look, &files);
        let fresh = self.of_this_run(fresh, &mut news)?;
        if !fresh.is_empty() && !self.is_met {
            return Err(self.other_run(request));
        }
        news.changed |= !fresh.is_empty();
        self.take(fresh);
        Ok(news)
    }

    /// Takes in the file at the place of a known one that goes on with it, or has not changed; false of any other
    /// file that is worth reading.
    fn reread(&mut self, found: Found<'_>, look: &mut Look<'_>) -> Result<bool, ImportError> {
        let at_place = |at: &usize| self.known[*at].path == found.entry.path;
        let places: Vec<usize> = (0..self.known.len()).filter(at_place).collect();
        if places.is_empty() {
            return Ok(self.passed_over.get(&found.entry.path) == Some(&found.stamp));
        }
        self.is_met = true;
        let unchanged = |at: &&usize| self.known[**at].stamp == Some(found.stamp);
        if let Some(&at) = places.iter().find(unchanged) {
            look.here.insert(at);
            return Ok(true);
        }
        let Some(source) = self.source(found.entry, &mut look.news)? else {
            // It is there, and cannot be read now.
            look.here.extend(places);
            return Ok(true);
        };
        let mut places = places.into_iter();
        let same = places.find(|&at| self.known[at].begins(&source.bytes));
        if let Some(at) = same {
            self.renew(at, found, &source, look);
        }
        Ok(same.is_some())
    }

    /// A file that is new at its place: a known one that was moved there, or one to add.
    fn moved(
        &mut self,
        found: Found<'_>,
        look: &mut Look<'_>,
    ) -> Result<Option<Followed>, ImportError> {
        let Some(source) = self.source(found.entry, &mut look.news)? else {
            return Ok(None);
        };
        let is_it = |at: &usize| {
            let known = &self.known[*at];
            !look.here.contains(at) && known.is_read() && known.begins(&source.bytes)
        };
        if let Some(at) = (0..self.known.len()).find(is_it) {
            self.is_met = true;
            self.renew(at, found, &source, look);
            return Ok(None);
        }
        let log = self.log(found, &source, look);
        Ok(log.map(|log| Followed::new(&found.entry.path, found.stamp, &source, log)))
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
    fn log(&mut self, found: Found<'_>, source: &Source, look: &mut Look<'_>) -> Option<LogFile> {
        match read_source(source, &look.request.columns) {
            Ok(log) => Some(log),
            Err(error) => {
                let path = found.entry.path.clone();
                self.passed_over.insert(path, found.stamp);
                if found.entry.named {
                    let text = format!("{error}; waiting until it changes");
                    self.tell(&mut look.news, text);
                }
                None
            }
        }
    }

    /// Replaces what was known of a file.
    fn renew(&mut self, at: usize, found: Found<'_>, source: &Source, look: &mut Look<'_>) {
        look.here.insert(at);
        self.group.get_or_insert_with(|| found.group.to_owned());
        let Some(log) = self.log(found, source, look) else {
            self.known[at].stamp = Some(found.stamp);
            return;
        };
        let attempts = std::mem::take(&mut self.known[at].attempts);
        let file = Followed::new(&found.entry.path, found.stamp, source, log);
        self.known[at] = file.with_attempts(attempts);
        look.news.changed = true;
    }

    /// Of new files those of the run that is followed; the group of the first ones says which that is.
    fn of_this_run(
        &mut self,
        fresh: Vec<(&str, u32, Followed)>,
        news: &mut News,
    ) -> Result<Vec<(u32, Followed)>, ImportError> {
        let group = match (&self.group, fresh.first()) {
            (Some(group), _) => group.clone(),
            (None, None) => return Ok(Vec::new()),
            (None, Some((group, ..))) => {
                let names = fresh.iter().map(|(name, ..)| (*name).to_owned());
                let mut names: Vec<String> = names.collect();
                names.sort();
                names.dedup();
                if names.len() > 1 {
                    return Err(ImportError::Several { names });
                }
                (*group).to_owned()
            }
        };
        self.group = Some(group.clone());
        let mut own = Vec::new();
        for (name, rotations, file) in fresh {
            if name == group {
                own.push((rotations, file));
                continue;
            }
            let text = format!(
                "`{}` is not followed: by its name it belongs to another run, `{name}`",
                printable_path(&file.path)
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
    fn mark_gone(&mut self, look: Look<'_>, files: &[(Entry, String)]) -> News {
        let Look { here, mut news, .. } = look;
        for (at, known) in self.known.iter_mut().enumerate() {
            if here.contains(&at) || known.is_gone() {
                continue;
            }
            let is_taken = files.iter().any(|(entry, _)| entry.path == known.path);
            let what = if is_taken {
                "was cut or replaced: it no longer begins with what was read of it"
            } else {
                "is gone"
            };
            let path = printable_path(&known.path);
            let text = format!("`{path}` {what}. What was read of it stays in the run");
            known.lose(what);
            news.changed = true;
            news.lines.push(text);
        }
        news
    }

    /// Adds new files, and orders all by their clocks where each has one.
    fn take(&mut self, mut fresh: Vec<(u32, Followed)>) {
        fresh.sort_by_key(|(rotations, file)| (Reverse(*rotations), file.length()));
        self.known.extend(fresh.into_iter().map(|(_, file)| file));
        if self.known.iter().all(|file| file.clock().is_some()) {
            let clock = |file: &Followed| file.clock().unwrap_or(0.0);
            self.known.sort_by(|a, b| clock(a).total_cmp(&clock(b)));
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
