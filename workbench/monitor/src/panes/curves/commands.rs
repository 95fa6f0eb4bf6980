//! What can be typed about curves.

use super::choices::{BandKind, CurveChoices, SMOOTHING};
use super::facets::Faceted;
use super::{Curves, FIRST, MOST_PANELS, Panel};
use crate::command::{self, Outcome, PaneCommand, commands};
use crate::shared::{Axis, Shared};

pub(super) const COMMANDS: &[PaneCommand<Curves>] = commands![
    "signals" "NAME,…" "a panel for each of these signals" =>
        Curves::set_signals,
        |_, shared| shared.signals.clone(),
        |pane, _| Some(pane.signals()).filter(|signals| *signals != FIRST.join(","));
    "panel" "NUMBER" "make this panel the active one" =>
        Curves::set_active,
        |pane, _| (1..=pane.panels.len()).map(|number| number.to_string()).collect(),
        |pane, _| (pane.active + 1 != pane.panels.len()).then(|| (pane.active + 1).to_string());
    "log" "NAME,…|none" "logarithmic y axis of these panels only; x is the x axis" =>
        Curves::set_log,
        |pane, _| pane.panels.iter().map(|panel| panel.signal.clone()).chain(["x".to_owned(), "none".to_owned()]).collect(),
        |pane, _| pane.logs();
    "axis" "step|samples|tokens|time" "what the x axis counts" =>
        |pane, _, name| { pane.choices.set_axis(command::one_of(name, Axis::ALL)?); Ok(()) },
        |_, _| Axis::ALL.map(|(name, _)| name.to_owned()).into(),
        |pane, _| Some(pane.choices.axis.name().to_owned()).filter(|_| pane.choices.axis != CurveChoices::default().axis);
    "curves" "arm|run" "one curve per arm or per run" =>
        |pane, _, each| { pane.choices.grouped = command::one_of(each, [("arm", true), ("run", false)])?; Ok(()) },
        |_, _| ["arm", "run"].map(str::to_owned).into(),
        |pane, _| (!pane.choices.grouped).then(|| "run".to_owned());
    "band" "range|interval|none" "min–max, or the 95 % t interval of the mean" =>
        |pane, _, kind| { pane.choices.band = command::one_of(kind, BandKind::ALL)?; Ok(()) },
        |_, _| BandKind::ALL.map(|(name, _)| name.to_owned()).into(),
        |pane, _| BandKind::ALL.iter().skip(1).find(|(_, kind)| *kind == pane.choices.band).map(|(name, _)| (*name).to_owned());
    "facets" "KEY|none" "a chart for every value of a key; alone by itself" =>
        Curves::set_facets,
        |_, shared| shared.all_keys().into_iter().chain(["none".to_owned()]).collect(),
        |pane, _| match &pane.faceted {
            Faceted::ByShape => None,
            Faceted::By(key) => Some(key.clone()),
            Faceted::None => Some("none".to_owned()),
        };
    "smooth" "WEIGHT|off" "smoothing by 0.5, 0.7, 0.8, 0.9, 0.95 or 0.99" =>
        Curves::set_smoothing,
        |_, _| SMOOTHING.iter().map(f64::to_string).chain(["off".to_owned()]).collect(),
        |pane, _| pane.choices.smooth.then(|| pane.choices.weight().to_string());
    "zoom" "FROM TO" "only this part of the x axis; alone all of it" =>
        Curves::set_zoom, |_, _| Vec::new(),
        |pane, _| pane.choices.zoom.map(|(low, high)| format!("{low} {high}"));
    "y" "[SIGNAL] LOW HIGH,…" "part of the active panel's y axis, or a signal's; alone all" =>
        Curves::set_limits,
        |pane, _| pane.panels.iter().map(|panel| panel.signal.clone()).collect(),
        |pane, _| pane.limits_text();
    "cursor" "X" "values of all runs at this place; alone at the end" =>
        |pane, _, at| { pane.choices.cursor = if at.is_empty() { None } else { Some(number(at)?) }; Ok(()) },
        |_, _| Vec::new(),
        |pane, _| pane.choices.cursor.map(|at| at.to_string());
];

pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is no number"))
}

impl Curves {
    pub(super) fn signals(&self) -> String {
        let names: Vec<&str> = self.panels.iter().map(|panel| &*panel.signal).collect();
        names.join(",")
    }

    fn set_signals(&mut self, shared: &mut Shared, names: &str) -> Outcome {
        let known = |name: &str| shared.signals.iter().any(|signal| signal == name);
        let names = command::names(names, known);
        // Nothing is known of a sweep that has not begun.
        let unknown = names.iter().find(|name| {
            !shared.signals.is_empty() && shared.signals.iter().all(|signal| signal != *name)
        });
        if let Some(name) = unknown {
            return Err(format!(
                "no signal `{name}`{}",
                words::hint(name, &shared.signals)
            ));
        }
        if names.is_empty() || names.len() > MOST_PANELS {
            return Err(format!("1 to {MOST_PANELS} signals have a panel each"));
        }
        self.panels = names.into_iter().map(Panel::of).collect();
        self.settled = true;
        self.activate(self.panels.len() - 1);
        self.page = 0;
        Ok(())
    }

    fn set_active(&mut self, _: &mut Shared, number: &str) -> Outcome {
        let panels = self.panels.len();
        let place = number.parse().ok();
        let place = place.filter(|number: &usize| (1..=panels).contains(number));
        self.active = place.ok_or_else(|| format!("`{number}` is no panel of 1 to {panels}"))? - 1;
        Ok(())
    }

    /// The panels with a logarithmic axis, where they are not those that have it at first.
    fn logs(&self) -> Option<String> {
        let turned = self
            .panels
            .iter()
            .any(|panel| self.turned.contains(&panel.signal));
        let logs = self
            .panels
            .iter()
            .map(|panel| &*panel.signal)
            .filter(|signal| self.is_log(signal));
        let logs: Vec<&str> = logs.chain(self.choices.log_x.then_some("x")).collect();
        let text = if logs.is_empty() {
            "none".to_owned()
        } else {
            logs.join(",")
        };
        (turned || self.choices.log_x).then_some(text)
    }

    fn set_log(&mut self, _: &mut Shared, names: &str) -> Outcome {
        let shown = |name: &str| {
            let mut panels = self.panels.iter();
            matches!(name, "x" | "none") || panels.any(|panel| panel.signal == name)
        };
        let names = command::names(names, shown);
        if let Some(name) = names.iter().find(|name| !shown(name)) {
            return Err(format!(
                "no panel shows `{name}`; the panels show {}",
                self.signals()
            ));
        }
        self.choices.log_x = names.contains(&"x");
        for panel in 0..self.panels.len() {
            let signal = &self.panels[panel].signal;
            if self.is_log(signal) != names.contains(&&**signal) {
                self.turn_log(panel);
            }
        }
        Ok(())
    }

    fn set_facets(&mut self, shared: &mut Shared, name: &str) -> Outcome {
        self.faceted = match name {
            "" => Faceted::ByShape,
            "none" => Faceted::None,
            name => Faceted::By(shared.key(name)?),
        };
        Ok(())
    }

    fn set_smoothing(&mut self, _: &mut Shared, weight: &str) -> Outcome {
        let level = SMOOTHING
            .iter()
            .position(|level| level.to_string() == weight);
        (self.choices.smooth, self.choices.level) = match (level, weight) {
            (Some(level), _) => (true, level),
            (None, "" | "off") => (false, self.choices.level),
            (None, _) => {
                let weights: Vec<String> = SMOOTHING.iter().map(f64::to_string).collect();
                return Err(format!("`{weight}` is none of {}, off", weights.join(", ")));
            }
        };
        Ok(())
    }

    fn set_zoom(&mut self, _: &mut Shared, ends: &str) -> Outcome {
        let ends: Vec<&str> = ends.split_whitespace().collect();
        self.choices.zoom = match &*ends {
            [] => None,
            [from, to] => Some((number(from)?, number(to)?)).filter(|(from, to)| from < to),
            _ => return Err("two places on the x axis, such as `zoom 100 200`".to_owned()),
        };
        Ok(())
    }
}
