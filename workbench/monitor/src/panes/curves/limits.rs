//! The part of the y axis that is shown of a signal, where that is not all of it.

use super::{Charted, Curves, Panel};
use crate::command::Outcome;
use crate::shared::Shared;

/// Least share of all values that is shown: below it ticks are no longer told apart.
const LEAST: f64 = 1e-4;

impl Curves {
    /// What is shown of the y axis of a signal, in plot coordinates.
    pub(super) fn limits_of(&self, signal: &str, log: bool) -> Option<(f64, f64)> {
        let (low, high) = *self.limits.get(signal)?;
        let at = |value: f64| if log { value.log10() } else { value };
        Some((at(low), at(high))).filter(|(low, high)| low.is_finite() && high.is_finite())
    }

    /// Shows only this part of a panel's y axis, in plot coordinates.
    pub(super) fn limit(&mut self, panel: usize, (low, high): (f64, f64)) {
        let Some(panel) = self.panels.get(panel) else {
            return;
        };
        let signal = panel.signal.clone();
        let value = |at: f64| {
            if self.is_log(&signal) {
                10f64.powf(at)
            } else {
                at
            }
        };
        let limits = (value(low), value(high));
        if limits.0 < limits.1 && limits.0.is_finite() && limits.1.is_finite() {
            self.limits.insert(signal, limits);
        }
    }

    /// Shows `factor` times as much of a panel's y axis, with what stands at a share of its height left where it is.
    pub(super) fn zoom_y(&mut self, panel: usize, factor: f64, share: f64) {
        let Some((shown, whole)) = self.panels.get(panel).and_then(Panel::ranges) else {
            return;
        };
        let (low, high) = shown;
        let at = low + share * (high - low);
        let (low, high) = (at - (at - low) * factor, at + (high - at) * factor);
        if low <= whole.0 && high >= whole.1 {
            self.limits.remove(&self.panels[panel].signal);
        } else if high - low >= (whole.1 - whole.0) * LEAST {
            self.limit(panel, (low.max(whole.0), high.min(whole.1)));
        }
    }

    /// What `:y` was told.
    pub(super) fn set_limits(&mut self, _: &mut Shared, text: &str) -> Outcome {
        let mut all = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let words: Vec<&str> = part.split_whitespace().collect();
            let (signal, low, high) = match words.as_slice() {
                [low, high] => (self.active_signal(), *low, *high),
                // A name may hold blanks.
                [signal @ .., low, high] => (signal.join(" "), *low, *high),
                [_] | [] => return Err(WANTED.to_owned()),
            };
            let shown: Vec<String> = self
                .panels
                .iter()
                .map(|panel| panel.signal.clone())
                .collect();
            if !shown.contains(&signal) {
                let hint = words::hint(&signal, &shown);
                return Err(format!("no panel shows `{signal}`{hint}"));
            }
            let (low, high) = (
                super::commands::number(low)?,
                super::commands::number(high)?,
            );
            if low >= high {
                return Err(format!("{low} is not below {high}; {WANTED}"));
            }
            if self.is_log(&signal) && low <= 0.0 {
                return Err(format!(
                    "{low} has no place on a logarithmic axis; `Y` makes it linear"
                ));
            }
            all.push((signal, (low, high)));
        }
        if all.is_empty() {
            self.limits.clear();
        }
        self.limits.extend(all);
        Ok(())
    }

    /// The limits of the panels, as `:y` takes them.
    pub(super) fn limits_text(&self) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        for panel in &self.panels {
            if let Some((low, high)) = self.limits.get(&panel.signal) {
                let part = format!("{} {low} {high}", panel.signal);
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
        (!parts.is_empty()).then(|| parts.join(","))
    }

    fn active_signal(&self) -> String {
        let panel = self.panels.get(self.active());
        panel.map_or_else(String::new, |panel| panel.signal.clone())
    }
}

const WANTED: &str =
    "two values of the y axis, such as `y 2 4.5`, or of a panel's, such as `y loss 2 4.5`";

impl Panel {
    /// What is shown of the y axis, and all that there is of it.
    fn ranges(&self) -> Option<((f64, f64), (f64, f64))> {
        let drawn: Vec<&Charted> = self
            .charts
            .iter()
            .filter(|charted| charted.is_drawn())
            .collect();
        let shown = drawn.first()?.chart.y;
        let wholes = drawn.iter().map(|charted| charted.chart.whole_y);
        let whole = wholes.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some((shown, whole))
    }
}
