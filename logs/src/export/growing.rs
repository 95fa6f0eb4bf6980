//! An event file that grows with its run.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::hparams::Session;
use super::tensorboard::{Events, numbered, numbers, remove, write_numbered};
use crate::error::LogError;
use crate::{folder, output};

/// The event file of a run that is followed, in a folder of its own.
///
/// What the run was given stands in the folder's first file, which is small and written again when the run ends. The numbers stand
/// in another, to which is only ever appended, as `TensorBoard` goes on where it stopped reading. It begins with the word that
/// nothing before it counts. Of an earlier export in the folder the last file is emptied, since a `TensorBoard` that has it open would not
/// go on behind one that is gone, and those before it are removed.
#[derive(Debug)]
pub struct GrowingEvents {
    dir: PathBuf,
    number: u64,
    begun: bool,
    start: f64,
    session: Option<(Session, Option<f64>)>,
    /// What is to be written next.
    pub events: Events,
}

impl GrowingEvents {
    /// A file behind all that are in the folder, which is made where needed. `start` is the time of step 0, seconds since 1970.
    pub fn new(dir: &Path, start: f64) -> Result<Self, LogError> {
        folder::make(dir).map_err(|error| LogError::io("create", dir, error))?;
        let known = numbers(dir)?;
        let number = known.last().map_or(1, |last| last.saturating_add(1));
        output::check(&numbered(dir, number))?;
        Ok(Self {
            dir: dir.to_owned(),
            number,
            begun: false,
            start,
            session: None,
            events: Events::of_records(start),
        })
    }

    /// Says what the run was given and, once it has ended, after how many seconds. Writes only what is new.
    pub fn session(&mut self, session: Session, ended: Option<f64>) -> Result<(), LogError> {
        let told = Some((session, ended));
        if self.session == told {
            return Ok(());
        }
        if let Some((session, ended)) = &told {
            write_numbered(&self.dir, 0, |file| {
                let mut events = Events::new(self.start);
                events.begin(session);
                if let Some(elapsed) = ended {
                    events.end(session, *elapsed);
                }
                file.write_all(&events.take())
            })?;
        }
        self.session = told;
        Ok(())
    }

    /// Appends the events that wait.
    pub fn write(&mut self) -> Result<(), LogError> {
        let bytes = self.events.take();
        if bytes.is_empty() {
            return Ok(());
        }
        let path = numbered(&self.dir, self.number);
        let mut how = OpenOptions::new();
        // A file that vanished is not begun again in its middle.
        how.append(true).create_new(!self.begun);
        let mut file = how
            .open(&path)
            .map_err(|error| LogError::io("open", &path, error))?;
        file.write_all(&bytes)
            .map_err(|error| LogError::io("write", &path, error))?;
        if !self.begun {
            self.begun = true;
            self.empty_older()?;
        }
        Ok(())
    }

    fn empty_older(&self) -> Result<(), LogError> {
        let is_of_records = |number: &u64| *number > 0 || self.session.is_none();
        let older = [0].into_iter().chain(numbers(&self.dir)?);
        let older = older.filter(|number| *number < self.number && is_of_records(number));
        let mut older: Vec<PathBuf> = older.map(|number| numbered(&self.dir, number)).collect();
        older.retain(|path| path.exists());
        if let Some(last) = older.pop() {
            File::create(&last).map_err(|error| LogError::io("empty", &last, error))?;
        }
        older.iter().try_for_each(|path| remove(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tensorboard;
    use crate::export::tensorboard::tests::{named, unframe};
    use crate::record::Record;
    use std::fs;

    fn records(steps: std::ops::RangeInclusive<u64>) -> (Vec<Record>, Vec<f64>) {
        let elapsed = steps.clone().map(|step| step as f64).collect();
        (steps.map(Record::new).collect(), elapsed)
    }

    fn steps(dir: &Path) -> Vec<i64> {
        let bytes = fs::read(dir.join(named(1))).unwrap();
        let events = unframe(&bytes);
        let told = events.iter().filter(|event| event.summary.is_some());
        told.map(|event| event.step).collect()
    }

    #[test]
    fn what_is_new_is_appended_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut growing = GrowingEvents::new(dir.path(), 5.0).unwrap();
        for part in [1..=2, 3..=5] {
            let (records, elapsed) = records(part);
            growing.events.records(&records, &elapsed);
            growing.write().unwrap();
        }
        growing.write().unwrap();
        assert_eq!(steps(dir.path()), [1, 2, 3, 4, 5]);
        fs::remove_file(dir.path().join(named(1))).unwrap();
        growing.events.restart(1);
        let error = growing.write().unwrap_err().to_string();
        assert!(error.contains(&named(1)), "{error}");
    }

    /// TensorBoard reads one file behind the other: what the new one begins with takes back what the old one told.
    #[test]
    fn an_earlier_export_is_taken_back_and_emptied() {
        let dir = tempfile::tempdir().unwrap();
        tensorboard(&records(1..=3).0, dir.path(), 5.0).unwrap();
        let mut growing = GrowingEvents::new(dir.path(), 5.0).unwrap();
        let size = |number| fs::metadata(dir.path().join(named(number))).map(|file| file.len());
        assert!(size(0).unwrap() > 0, "until there is another");
        growing.events.records(&records(1..=1).0, &[1.0]);
        growing.write().unwrap();
        assert_eq!(size(0).unwrap(), 0);
        let events = unframe(&fs::read(dir.path().join(named(1))).unwrap());
        let restart = events[1].session_log.as_ref().unwrap();
        assert_eq!((events[1].step, restart.status), (0, 1));
        let mut third = GrowingEvents::new(dir.path(), 5.0).unwrap();
        third.write().unwrap();
        assert!(size(0).is_err(), "what was emptied before goes");
        assert_eq!(size(1).unwrap(), 0);
        tensorboard(&records(1..=3).0, dir.path(), 5.0).unwrap();
        assert!(
            !dir.path().join(named(1)).exists(),
            "an export at once has one file"
        );
    }
}
