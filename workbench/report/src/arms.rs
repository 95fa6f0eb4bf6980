//! How the arms of a sweep are called and drawn in this page.

use crate::plot::palette::Paint;
use sweeps::Settings;
use sweeps::card::{Arm, named};
use sweeps::overview::{Chosen, Looks};

/// More curves than this in one panel could not be told apart.
const MOST_CURVES: usize = 8;

/// Name and colour of one arm, or of what several arms have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArmLook {
    /// What sets it apart from all others.
    pub(crate) name: String,
    /// The same within its panel, where the panel says the rest.
    pub(crate) brief: String,
    /// Title of the panel that it is drawn in; empty where all are drawn in one.
    pub(crate) panel: String,
    pub(crate) paint: Paint,
}

impl ArmLook {
    /// Of something alone.
    pub(crate) fn alone(name: String) -> Self {
        Self {
            brief: name.clone(),
            name,
            panel: String::new(),
            paint: Paint::new(0, 0, 1),
        }
    }
}

/// Of all arms, with what the reader chose.
pub(crate) fn of_arms(arms: &[Arm], chosen: Chosen<'_>) -> Vec<ArmLook> {
    let named: Vec<(&str, &Settings)> = arms
        .iter()
        .map(|arm| (&*arm.label, &arm.settings))
        .collect();
    of(&named, chosen)
}

/// Of anything that differs in settings. Where one panel would hold too many curves, or the reader chose what has panels, there is
/// one for each value of what neither colour nor shade shows, and if those are too full still, for each colour as well.
pub(crate) fn of(all: &[(&str, &Settings)], chosen: Chosen<'_>) -> Vec<ArmLook> {
    let looks = Looks::of(all, chosen);
    let keys: Vec<&str> = looks.axes.iter().map(|axis| &*axis.key).collect();
    let faceted = chosen.facets.is_some_and(|key| keys.contains(&key));
    let apart = looks.apart(MOST_CURVES, faceted);
    let is_apart = |key: &str| apart.contains(&key);
    let words = |settings: &Settings, wanted: &dyn Fn(&str) -> bool| {
        let parts = settings
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()) && wanted(key));
        let parts: Vec<String> = parts.map(|(key, value)| named(key, value)).collect();
        parts.join(" ")
    };
    let look = |(look, (_, settings)): (&sweeps::overview::Look, &(&str, &Settings))| {
        let brief = words(settings, &|key| !is_apart(key));
        ArmLook {
            panel: words(settings, &is_apart),
            brief: if brief.is_empty() || apart.is_empty() {
                look.name.clone()
            } else {
                brief
            },
            name: look.name.clone(),
            paint: Paint::new(look.colour, look.shade, look.shades),
        }
    };
    looks.arms.iter().zip(all).map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use toml::Value;

    fn looks(keys: &[(&str, usize)]) -> Vec<ArmLook> {
        chosen_looks(keys, Chosen::default())
    }

    fn chosen_looks(keys: &[(&str, usize)], chosen: Chosen<'_>) -> Vec<ArmLook> {
        let mut grid = vec![Settings::new()];
        for (key, count) in keys {
            let with = |at: &Settings, value: usize| {
                let mut at = at.clone();
                at.insert((*key).to_owned(), Value::from(value as i64));
                at
            };
            grid = grid
                .iter()
                .flat_map(|at| (0..*count).map(move |value| with(at, value)))
                .collect();
        }
        let all: Vec<(&str, &Settings)> = grid.iter().map(|at| ("", at)).collect();
        of(&all, chosen)
    }

    fn panels(looks: &[ArmLook]) -> BTreeMap<&str, Vec<&ArmLook>> {
        let mut panels = BTreeMap::<&str, Vec<&ArmLook>>::new();
        for look in looks {
            panels.entry(&look.panel).or_default().push(look);
        }
        panels
    }

    /// Twenty arms of two axes: four panels of five shades each, whose names say what the panel does not.
    #[test]
    fn many_arms_are_split_into_panels_of_few() {
        let looks = looks(&[("model.heads", 4), ("optimizer.lr", 5)]);
        let panels = panels(&looks);
        assert_eq!(
            panels.keys().copied().collect::<Vec<_>>(),
            ["heads=0", "heads=1", "heads=2", "heads=3"]
        );
        let briefs: Vec<&str> = panels["heads=2"].iter().map(|look| &*look.brief).collect();
        assert_eq!(briefs, ["lr=0", "lr=1", "lr=2", "lr=3", "lr=4"]);
        let paints: BTreeSet<String> = looks
            .iter()
            .map(|look| format!("{:?}", look.paint))
            .collect();
        assert_eq!(paints.len(), 20);
        assert_eq!(looks[7].name, "heads=1 lr=2");
    }

    #[test]
    fn few_arms_share_one_panel_and_a_third_axis_splits_before_the_colours_do() {
        let few = looks(&[("model.norm", 2), ("optimizer.lr", 3)]);
        assert!(
            few.iter()
                .all(|look| look.panel.is_empty() && look.brief == look.name)
        );
        let three = looks(&[("a.a", 2), ("b.b", 3), ("c.c", 4)]);
        let panels = panels(&three);
        assert_eq!(
            panels.keys().copied().collect::<Vec<_>>(),
            ["c=0", "c=1", "c=2", "c=3"]
        );
        assert_eq!(panels["c=3"][5].brief, "a=1 b=2");
        let one = looks(&[("optimizer.lr", 30)]);
        assert!(
            one.iter().all(|look| look.panel.is_empty()),
            "one axis has nothing to split by"
        );
    }

    /// Panels that were asked for are there however few curves there are.
    #[test]
    fn a_reader_chooses_what_has_panels() {
        let chosen = Chosen {
            facets: Some("model.norm"),
            ..Chosen::default()
        };
        let looks = chosen_looks(&[("model.norm", 2), ("optimizer.lr", 3)], chosen);
        let panels = panels(&looks);
        assert_eq!(
            panels.keys().copied().collect::<Vec<_>>(),
            ["norm=0", "norm=1"]
        );
        let briefs: Vec<&str> = panels["norm=1"].iter().map(|look| &*look.brief).collect();
        assert_eq!(briefs, ["lr=0", "lr=1", "lr=2"]);
        let paints: BTreeSet<String> = panels["norm=1"]
            .iter()
            .map(|look| look.paint.class())
            .collect();
        assert_eq!(paints.len(), 3, "the colours go to the other axis");
        let alone = chosen_looks(&[("model.norm", 2)], chosen);
        let panels: Vec<&str> = alone.iter().map(|look| &*look.panel).collect();
        assert_eq!(panels, ["norm=0", "norm=1"]);
        assert_eq!(alone[0].brief, alone[0].name);
    }
}
