//! Bounds of `[tasks]`.

use crate::data::bounds::check_content;
use crate::validate::Checks;
use crate::{Config, ObjectiveMode, TaskSource};

impl Config {
    pub(crate) fn check_tasks(&self, checks: &mut Checks) {
        let tasks = &self.tasks;
        checks.share(tasks.ratio, "tasks.ratio");
        checks.require(
            tasks.ratio == 0.0 || !tasks.sources.is_empty(),
            "tasks.sources",
            "needs at least one source when `tasks.ratio` is above 0",
        );
        checks.require(
            tasks.ratio == 0.0 || self.objective.mode == ObjectiveMode::Glm,
            "tasks.ratio",
            "must be 0 with `objective.mode = \"gpt\"`: tasks are blanks to be filled",
        );
        for (index, source) in tasks.sources.iter().enumerate() {
            check_task_source(source, &format!("tasks.sources[{index}]"), checks);
        }
    }
}

fn check_task_source(source: &TaskSource, key: &str, checks: &mut Checks) {
    checks.require(
        source.name.is_some() != source.path.is_some(),
        key,
        "needs exactly one of `name` (catalogue) and `path` (a file of yours)",
    );
    check_content(source.path.is_some(), source.blake3.as_deref(), key, checks);
    checks.require(
        source.input.is_some() == source.target.is_some(),
        key,
        "needs both templates, `input` and `target`, or neither",
    );
    checks.require(
        source.path.is_some() || source.input.is_none(),
        key,
        "takes `input` and `target` with `path` only; a catalogue entry has its own templates",
    );
}
