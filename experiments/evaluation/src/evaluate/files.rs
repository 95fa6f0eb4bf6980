//! The files of a task, and their items with the solved ones before them.

use super::Options;
use crate::item::{Item, Items};
use crate::random::stream;
use crate::rows;
use crate::task::{Task, TaskError};
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// All of a task.
pub(super) struct Files {
    pub(super) groups: Vec<(String, Vec<TaskFile>)>,
}

pub(super) struct TaskFile {
    /// Below the folder of the task.
    pub(super) name: String,
    pub(super) content: Content,
}

pub(super) enum Content {
    Items(Vec<Item>),
    Text(String),
}

impl Files {
    pub(super) fn read(task: &Task, options: &Options) -> Result<Self, TaskError> {
        let folder = options.data.join(&task.path);
        let reader = Reader {
            task,
            options,
            items: Items::new(task)?,
            folder: &folder,
        };
        let mut groups = Vec::new();
        for (name, patterns) in &task.groups {
            let mut files = Vec::new();
            for pattern in patterns {
                files.extend(reader.find(pattern)?);
            }
            // A file is in a group once, whichever of its patterns find it.
            let mut known = BTreeSet::new();
            files.retain(|file| known.insert(file.clone()));
            let files = files.iter().map(|path| reader.file(path));
            groups.push((name.clone(), files.collect::<Result<_, _>>()?));
        }
        Ok(Self { groups })
    }

    /// That there is nothing to ask.
    pub(super) fn nothing(&self, task: &Task) -> TaskError {
        let names = words::quoted(self.all().map(|file| &file.name));
        TaskError::Files {
            path: task.file.clone(),
            problem: format!("there is nothing to ask in {}", words::cut(&names, 200)),
        }
    }

    /// Each once, also those of several groups.
    pub(super) fn all(&self) -> impl Iterator<Item = &TaskFile> {
        let mut known = BTreeSet::new();
        let files = self.groups.iter().flat_map(|(_, files)| files);
        files.filter(move |file| known.insert(&file.name))
    }
}

struct Reader<'a> {
    task: &'a Task,
    options: &'a Options<'a>,
    items: Items<'a>,
    folder: &'a Path,
}

impl Reader<'_> {
    fn wrong(&self, problem: String) -> TaskError {
        TaskError::Files {
            path: self.task.file.clone(),
            problem,
        }
    }

    /// Files of a pattern, in the order of their paths.
    fn find(&self, pattern: &str) -> Result<Vec<PathBuf>, TaskError> {
        let folder = self.folder.display();
        if !self.folder.is_dir() {
            return Err(self.wrong(format!("there is no folder `{folder}`; `--data` names the folder of all data, `path` is below it")));
        }
        let escaped = glob::Pattern::escape(&self.folder.to_string_lossy());
        let found = glob::glob(&format!("{escaped}/{pattern}"));
        let found = found.map_err(|error| {
            self.wrong(format!("the pattern `{pattern}` cannot be used: {error}"))
        })?;
        let mut files = Vec::new();
        for path in found {
            let path = path.map_err(|error| TaskError::Read {
                path: error.path().to_owned(),
                source: error.into(),
            })?;
            if path.is_file() {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(self.wrong(format!("no file in `{folder}` is like `{pattern}`")));
        }
        Ok(files)
    }

    fn file(&self, path: &Path) -> Result<TaskFile, TaskError> {
        let below = path.strip_prefix(self.folder).unwrap_or(path);
        let name = below.to_string_lossy().into_owned();
        let content = if self.task.has_items() {
            Content::Items(self.items(path, &name)?)
        } else {
            Content::Text(rows::text(path)?)
        };
        Ok(TaskFile { name, content })
    }

    fn items(&self, path: &Path, name: &str) -> Result<Vec<Item>, TaskError> {
        let shots = self.options.shots.unwrap_or(self.task.shots);
        let limit = self.options.limit.unwrap_or(usize::MAX);
        // Solved items are drawn from all, and a group may begin with the last row.
        let needs_all = shots > 0 || self.task.names_rows();
        let most = if needs_all { usize::MAX } else { limit };
        let mut items = self.items.of(path, rows::read(path)?, most)?;
        let solved = (shots > 0)
            .then(|| self.solved(path, name, &items))
            .transpose()?;
        let kept = first_of_each(&items, limit);
        // What is drawn for an item depends on its place among all.
        let places = (0..items.len()).filter(|place| kept[*place]);
        let places: Vec<usize> = places.collect();
        let mut each = kept.iter();
        items.retain(|_| each.next().copied().unwrap_or(false));
        let Some((solved, is_own)) = solved else {
            return Ok(items);
        };
        for (item, place) in items.iter_mut().zip(places) {
            let seed = self.options.seed;
            let mut generator = stream(seed, &format!("shots {name}"), item.line);
            // Where shots are from the same file, an item is no example of itself.
            let mut left: Vec<usize> = (0..solved.len())
                .filter(|other| solved[*other].is_some() && (!is_own || *other != place))
                .collect();
            if left.len() < shots {
                let problem = format!("`{name}` has {} solved items for {shots} shots", left.len());
                return Err(self.wrong(problem));
            }
            let drawn = (0..shots).map(|_| left.swap_remove(generator.random_range(0..left.len())));
            let examples: Vec<&str> = drawn.filter_map(|other| solved[other].as_deref()).collect();
            item.inputs = format!("{}\n\n{}", examples.join("\n\n"), item.inputs);
        }
        Ok(items)
    }

    /// Solved items for the shots of a file, none in the place of what has no answer, and whether they are of the file itself.
    fn solved(
        &self,
        path: &Path,
        name: &str,
        own: &[Item],
    ) -> Result<(Vec<Option<String>>, bool), TaskError> {
        let solve = |items: &[Item]| items.iter().map(Item::solved).collect();
        let Some((from, to)) = &self.task.shots_from else {
            return Ok((solve(own), true));
        };
        let other = self.folder.join(name.replace(from, to));
        if other == path {
            return Err(self.wrong(format!("`shots_from`: there is no `{from}` in `{name}`")));
        }
        let items = self.items.of(&other, rows::read(&other)?, usize::MAX)?;
        Ok((solve(&items), false))
    }
}

/// Which items are among the first, as many as that, of their group.
fn first_of_each(items: &[Item], limit: usize) -> Vec<bool> {
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let is_kept = items.iter().map(|item| {
        let count = counts.entry(item.group.as_deref()).or_default();
        *count += 1;
        *count <= limit
    });
    is_kept.collect()
}
