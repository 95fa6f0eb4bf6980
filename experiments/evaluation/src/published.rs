//! What papers report of the sets, for orientation: by models a thousand times larger than a proxy, with prompts of their own.

use serde::{Deserialize, Serialize};

const TABLES: &str = include_str!("published.toml");

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[serde(deny_unknown_fields)]
struct Tables {
    table: Vec<Table>,
}

/// Figures of the same kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    task: String,
    metric: String,
    source: String,
    /// The model, and the figure.
    figures: Vec<(String, f64)>,
}

/// All figures of a task.
pub(crate) fn published(task: &str) -> Vec<Published> {
    // The test reads it, so that it can be read.
    let tables = toml::from_str::<Tables>(TABLES);
    let tables = tables.map(|tables| tables.table).unwrap_or_default();
    let tables = tables.into_iter().filter(|table| table.task == task);
    let figures = tables.flat_map(|table| {
        let figure = move |(model, value)| Published {
            task: table.task.clone(),
            model,
            metric: table.metric.clone(),
            value,
            source: table.source.clone(),
        };
        table.figures.into_iter().map(figure)
    });
    figures.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{SHIPPED, Task, shipped};

    fn tables() -> Vec<Table> {
        toml::from_str::<Tables>(TABLES).unwrap().table
    }

    #[test]
    fn every_figure_is_of_a_shipped_task_and_has_a_source() {
        let names: Vec<String> = SHIPPED
            .iter()
            .map(|(name, _)| shipped(name).unwrap().name)
            .collect();
        let mut told = std::collections::BTreeSet::new();
        for table in tables() {
            assert!(names.contains(&table.task), "{}", table.task);
            let sources = ["arXiv 2210.02414", "THUDM/GLM-130B"];
            assert!(
                sources.iter().any(|s| table.source.starts_with(s)),
                "{}",
                table.source
            );
            for (model, value) in table.figures {
                assert!((0.0..=100.0).contains(&value), "{model}: {value}");
                let (task, metric, source) = (&table.task, &table.metric, &table.source);
                let figure = format!("{task}, {metric}, {source}: {model}");
                assert!(told.insert(figure.clone()), "{figure} is there twice");
            }
        }
        assert!(
            published("LAMBADA")
                .iter()
                .any(|f| f.model == "GLM-130B" && f.value == 80.2)
        );
    }

    /// What the repository and the paper say of the averages over all Chinese sets, which are computed of the figures that were read off
    /// its chart.
    #[test]
    fn figures_that_were_read_off_a_chart_have_the_published_averages() {
        let gap = |names: &[&str]| {
            let gaps = names.iter().map(|name| {
                let [glm, ernie] = &published(name)[..] else {
                    panic!("{name}")
                };
                assert_eq!(
                    (&*glm.model, &*ernie.model),
                    ("GLM-130B", "ERNIE 3.0 Titan 260B")
                );
                glm.value - ernie.value
            });
            gaps.sum::<f64>() / names.len() as f64
        };
        let clue = [
            "AFQMC",
            "C3",
            "CMNLI",
            "CMRC2018",
            "DRCD",
            "OCNLI_50K",
            "WSC1.1",
        ];
        let few = ["EPRSTMT", "OCNLI-FC", "BUSTM", "CHID-FC", "CLUEWSC-FC"];
        assert!((gap(&clue) - 24.26).abs() < 0.05, "{}", gap(&clue));
        assert!((gap(&few) - 12.75).abs() < 0.05, "{}", gap(&few));
    }

    /// The weights of the shipped task make the published mean of the published figures: 18 sets of 22, renormalised.
    #[test]
    fn the_weights_of_the_pile_give_the_published_mean() {
        let Task { weights, .. } = shipped("pile").unwrap();
        let figures = published("Pile");
        let of = |name: &str| {
            let figure = figures.iter().find(|figure| figure.model == name);
            figure.unwrap_or_else(|| panic!("{name}")).value
        };
        assert_eq!(weights.len(), 18);
        let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let sum: f64 = weights
            .iter()
            .map(|(name, weight)| weight * of(&format!("GLM-130B, {name}")))
            .sum();
        assert!((sum / all - of("GLM-130B")).abs() < 0.0005, "{}", sum / all);
    }
}
