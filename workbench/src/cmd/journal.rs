//! `workbench journal`: a documented run, re-enacted by a proxy.

mod main_line;

use super::fork::{Way, trained_config};
use crate::cli::{Execution, Journal as Arguments};
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use experiments::Child;
use experiments_config::{Config, Override, load_file};
use experiments_text::Cache;
use logs::{FolderLock, Record, RunReader};
use main_line::MainLine;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use sweeps::journal::{Entry, Finding, JOURNAL_FILE, Journal, Row, Side, Sides, Told};
use workbench_report::{LossLine, losses_svg};

/// The journal and the prompted tasks of its proxy, compiled in so that they need no file.
const JOURNAL: &str = include_str!("../../../experiments/journal/glm-130b.toml");
const TASKS: &str = include_str!("../../../experiments/journal/tasks.jsonl");
/// Folder of the runs' configuration files.
const CONFIGURATIONS: &str = "configurations";
/// Steps before an entry from which the figure shows the loss.
const LEAD: u64 = 16;
/// Steps behind its first one that it shows.
const SHOWN: u64 = 80;
/// Steps from a checkpoint that may be trained again on the way to a fork.
const REACH: u64 = 1000;

pub(crate) fn run(arguments: &Arguments, cache: &Cache) -> Result<ExitCode, Failure> {
    let mut journal = Journal::parse(JOURNAL).map_err(Failure::usage)?;
    journal.scale = arguments.scale.unwrap_or(journal.scale);
    if let Some(set) = arguments.set.iter().find(|set| set.key == "steps") {
        return Err(Failure::usage(format!(
            "--set {}={}: how long each run trains follows from --scale",
            set.key, set.value
        )));
    }
    let study = Study {
        arguments,
        journal,
        cache,
    };
    let _alone = place(&arguments.out)?;
    study.write_configurations()?;
    let stop = Stop::listen()?;
    let Some(rows) = study.take(&stop)? else {
        say("stopped: the same command continues");
        return Ok(ExitCode::from(exit::STOPPED));
    };
    let told = Told::new(&study.journal, rows);
    study.write(&told)?;
    if arguments.json {
        console::print_json(&told)?;
    } else {
        console::print(&told.text())?;
    }
    say(&format!("written: {}", arguments.out.display()));
    Ok(ExitCode::SUCCESS)
}

/// The directory for this command alone: a new one, an empty one, or one of a journal.
fn place(out: &Path) -> Result<FolderLock, Failure> {
    logs::output::check(out)?;
    let lock = FolderLock::take(out)?;
    let stranger = logs::folder::stranger(out, &[])
        .map_err(|error| Failure::io(format!("cannot read `{}`", out.display()), &error))?;
    match stranger {
        Some(found) if !out.join(CONFIGURATIONS).is_dir() => Err(Failure::usage(format!(
            "`{}` holds `{found}`, which is no part of a journal; name a new or an empty directory",
            out.display()
        ))),
        _ => Ok(lock),
    }
}

struct Study<'a> {
    arguments: &'a Arguments,
    journal: Journal,
    cache: &'a Cache,
}

impl Study<'_> {
    fn place(&self, name: &str) -> PathBuf {
        self.arguments.out.join(name)
    }

    /// Every run as a configuration file that a person can read and train by hand. What is there must be what this command
    /// would write. Where one of them cannot be used, nothing new stays, so that a corrected command finds the place as it was.
    fn write_configurations(&self) -> Result<(), Failure> {
        let mut written = Vec::new();
        let usable = self
            .write_each(&mut written)
            .and_then(|()| self.check_configurations());
        if usable.is_err() {
            for file in written {
                let _ = fs::remove_file(file);
            }
            // Only where they are empty.
            let _ = fs::remove_dir(self.place(CONFIGURATIONS));
            let _ = fs::remove_dir(&self.arguments.out);
        }
        usable
    }

    fn write_each(&self, written: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let folder = self.place(CONFIGURATIONS);
        logs::folder::make(&folder)
            .map_err(|error| Failure::io(format!("cannot make `{}`", folder.display()), &error))?;
        for (name, text) in self.configurations() {
            let file = folder.join(name);
            match fs::read_to_string(&file) {
                Ok(there) if there == text => {}
                Ok(_) => {
                    return Err(Failure::usage(format!(
                        "`{}` is of a journal with another --scale or --set: name another --out",
                        file.display()
                    )));
                }
                Err(_) => {
                    logs::write_atomic(&file, text.as_bytes())?;
                    written.push(file);
                }
            }
        }
        Ok(())
    }

    /// The files by name, what they need first.
    fn configurations(&self) -> Vec<(String, String)> {
        let set = |set: &Override| format!("{} = {}\n", set.key, set.value);
        let changed: String = self.arguments.set.iter().map(set).collect();
        let mut files = vec![
            ("tasks.jsonl".to_owned(), TASKS.to_owned()),
            ("set.txt".to_owned(), changed),
        ];
        let forks = self.forks().map(|(number, entry)| {
            let table = self.journal.table(Side::Fork(number));
            (format!("{}.toml", name(number, entry)), table.to_string())
        });
        let main = self.journal.table(Side::Main).to_string();
        files.extend(std::iter::once(("main.toml".to_owned(), main)).chain(forks));
        files
    }

    /// Before hours are spent on the first of them.
    fn check_configurations(&self) -> Result<(), Failure> {
        let forks = self.forks().map(|(number, entry)| name(number, entry));
        for name in std::iter::once("main".to_owned()).chain(forks) {
            let file = self.place(CONFIGURATIONS).join(format!("{name}.toml"));
            load_file(&file, &self.arguments.set)?;
        }
        Ok(())
    }

    /// The entries that have a second run.
    fn forks(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.journal.entries.iter().enumerate();
        entries.filter(|(_, entry)| !entry.is_interruption())
    }

    /// Trains everything and compares it; none where somebody asked to stop.
    fn take(&self, stop: &Stop) -> Result<Option<Vec<Row>>, Failure> {
        let main = MainLine::new(
            self.place("main"),
            self.place(CONFIGURATIONS).join("main.toml"),
            &self.arguments.set,
            self.cache,
        );
        if !main.train(&self.journal, stop)? {
            return Ok(None);
        }
        let config = trained_config(&main.directory)?;
        super::threads(config.runtime.threads);
        for (number, entry) in self.forks() {
            if !self.fork(&main.directory, &config, number, entry, stop)? {
                return Ok(None);
            }
        }
        if !self.train_forks(stop)? {
            return Ok(None);
        }
        let attempts = main.attempts()?;
        let records = RunReader::open_scalars(&main.directory)?.records().to_vec();
        let entries = self.journal.entries.iter().enumerate();
        let row = |(number, entry): (usize, &Entry)| {
            let sides = if entry.is_interruption() {
                main_line::again(&attempts, main_line::kill_at(&self.journal, entry))
            } else {
                self.both(number, entry, &records)?
            };
            Ok(Row::new(&self.journal, entry, sides))
        };
        entries
            .map(row)
            .collect::<Result<Vec<Row>, Failure>>()
            .map(Some)
    }

    fn directory(&self, number: usize, entry: &Entry) -> PathBuf {
        self.place("forks").join(name(number, entry))
    }

    /// Makes the second run of an entry, unless it is there.
    fn fork(
        &self,
        main: &Path,
        config: &Config,
        number: usize,
        entry: &Entry,
        stop: &Stop,
    ) -> Result<bool, Failure> {
        let directory = self.directory(number, entry);
        if directory.join(logs::run::CONFIG_FILE).is_file() {
            return Ok(true);
        }
        let file = self
            .place(CONFIGURATIONS)
            .join(format!("{}.toml", name(number, entry)));
        let mut own = load_file(&file, &self.arguments.set)?;
        // What was resolved when the main line began.
        own.data = config.data.clone();
        own.tasks.sources.clone_from(&config.tasks.sources);
        let way = Way {
            run: main,
            config,
            step: self.journal.window(entry).0,
            reach: REACH,
        };
        let child = Child {
            directory,
            config: own,
            change: None,
            words: format!(
                "{} {}: {}",
                entry.date,
                if entry.branch { "with" } else { "without" },
                entry.what
            ),
        };
        Ok(way.fork(self.cache, stop.flag(), &[child])?.done)
    }

    fn train_forks(&self, stop: &Stop) -> Result<bool, Failure> {
        let execution = Execution {
            workers: self.arguments.workers,
            threads: 1,
            pack: 1,
        };
        let executor = super::sweep::executor(&execution, self.cache, &[])?;
        let folders: Vec<PathBuf> = self
            .forks()
            .map(|(number, entry)| self.directory(number, entry))
            .collect();
        for folder in &folders {
            if !main_line::idle(folder, stop)? {
                return Ok(false);
            }
        }
        let mut failed = None;
        let mut done = 0;
        let trained = executor.train_folders(&folders, stop.flag(), &mut |index, end| {
            done += 1;
            say(&format!("{done}/{} forks", folders.len()));
            if let Err(why) = end {
                failed.get_or_insert(format!("`{}` failed: {why}", folders[index].display()));
            }
        })?;
        failed.map_or(Ok(trained), |why| Err(Failure::failed(why)))
    }

    /// Both sides of an entry, from the records of the main line and its own.
    fn both(&self, number: usize, entry: &Entry, main: &[Record]) -> Result<Sides, Failure> {
        let own = RunReader::open_scalars(&self.directory(number, entry))?;
        let window = self.journal.window(entry);
        let (fork, main) = (
            Finding::of(main, own.records(), window),
            Finding::of(main, main, window),
        );
        Ok(if entry.branch {
            Sides::Both {
                with: fork,
                without: main,
            }
        } else {
            Sides::Both {
                with: main,
                without: fork,
            }
        })
    }

    fn write(&self, told: &Told) -> Result<(), Failure> {
        let main = RunReader::open_scalars(&self.place("main"))?;
        let mut lines = Vec::new();
        for (number, entry) in self.forks() {
            let own = RunReader::open_scalars(&self.directory(number, entry))?;
            let sides = if entry.branch {
                [("with", own.records()), ("without", main.records())]
            } else {
                [("with", main.records()), ("without", own.records())]
            };
            let window = self.journal.window(entry);
            let step = words::thousands(entry.step);
            let title = format!("{}, step {step}", entry.date);
            lines.extend(sides.map(|(side, records)| line(side, &title, records, window)));
        }
        let svg = losses_svg(&told.title, "steps from the entry on", &lines)?;
        let write = |name: &str, text: &str| logs::write_atomic(&self.place(name), text.as_bytes());
        write("journal.svg", &svg)?;
        write("journal.md", &told.markdown())?;
        Ok(logs::write_json_atomic(&self.place(JOURNAL_FILE), told)?)
    }
}

/// The loss of a side around the entry whose window is given, its first step as 0.
fn line(side: &str, title: &str, records: &[Record], (first, last): (u64, u64)) -> LossLine {
    let shown = first.saturating_sub(LEAD)..=last.min(first + SHOWN);
    let points = records.iter().filter(|record| shown.contains(&record.step));
    let point = |record: &Record| {
        let loss = record.scalar("loss").unwrap_or(f64::NAN);
        (record.step as f64 - first as f64, loss)
    };
    LossLine {
        name: side.to_owned(),
        panel: Some(title.to_owned()),
        points: points.map(point).collect(),
    }
}

/// Of the files and the directory of an entry's second run.
fn name(number: usize, entry: &Entry) -> String {
    format!("{:02}-{}", number + 1, entry.date)
}
