//! What papers report of the sets, for orientation: by models a thousand times larger than a proxy, with prompts of their own.

use serde::{Deserialize, Serialize};

const TABLE: &str = include_str!("published.toml");

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Name of the task.
    task: String,
    /// The model.
    pub model: String,
    /// What was measured, and how.
    pub metric: String,
    /// The figure.
    pub value: f64,
    /// Where it is published.
    pub source: String,
}

#[derive(Deserialize)]
struct Table {
    figure: Vec<Published>,
}

/// All figures of a task.
pub(crate) fn published(task: &str) -> Vec<Published> {
    // The test reads it, so that it can be read.
    let table = toml::from_str::<Table>(TABLE);
    let figures = table.map(|table| table.figure).unwrap_or_default();
    figures
        .into_iter()
        .filter(|figure| figure.task == task)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{SHIPPED, shipped};

    #[test]
    fn every_figure_is_of_a_shipped_task_and_has_a_source() {
        let table: Table = toml::from_str(TABLE).unwrap();
        let names: Vec<String> = SHIPPED
            .iter()
            .map(|(name, _)| shipped(name).unwrap().name)
            .collect();
        for figure in table.figure {
            assert!(names.contains(&figure.task), "{figure:?}");
            assert!((0.0..=100.0).contains(&figure.value) && figure.source.contains("arXiv"));
        }
        assert!(
            published("LAMBADA")
                .iter()
                .any(|f| f.model == "GLM-130B" && f.value == 80.2)
        );
    }
}
