//! What stands on the frame of the curves.

use ratatui::text::{Line, Span};

use super::choices::BandKind;
use super::{Curves, Panel};
use crate::colour::{Depth, strong};
use crate::number::compact;

impl Curves {
    /// Whether any chart has too many arms for all bands.
    fn is_crowded(&self) -> bool {
        let mut shown = self.plan.charts();
        shown.any(|(panel, facet, _)| self.shown(panel, facet).is_some_and(|shown| shown.crowded))
    }

    pub(super) fn title(&self, depth: Depth) -> Line<'static> {
        let charts = self
            .panels
            .get(self.plan.panels.start)
            .into_iter()
            .flat_map(Panel::recorded);
        let seeds = charts.map(|chart| chart.seeds);
        let seeds = seeds.reduce(|(low, high), (a, b)| (low.min(a), high.max(b)));
        let seeds = seeds.unwrap_or((0, 0));
        let how = match (self.choices.grouped, seeds) {
            (false, _) => "one line per run".to_owned(),
            (true, (0 | 1, 0 | 1)) => "one run each".to_owned(),
            (true, (least, most)) => {
                let n = if least == most {
                    most.to_string()
                } else {
                    format!("{least}–{most}")
                };
                let of = self.is_crowded() && self.choices.band != BandKind::None;
                let of = of.then(|| format!(" of {}", self.names.arm(self.focus.1)));
                let of = of.unwrap_or_default();
                format!("mean of {n} runs{}{of}", self.choices.band.words())
            }
        };
        let mut title = vec![Span::styled(" Curves ", strong())];
        let (panels, facets) = (&self.plan.panels, &self.plan.facets);
        if panels.len() < self.panels.len() {
            let note = format!("· signal {} of {} ", panels.start + 1, self.panels.len());
            title.push(Span::styled(note, depth.accent()));
        }
        if facets.len() < self.facets {
            let note = format!(
                "· charts {}–{} of {} ",
                facets.start + 1,
                facets.end,
                self.facets
            );
            title.push(Span::styled(note, depth.warn()));
        }
        title.push(Span::styled(format!("· {how} "), depth.dim()));
        if self.choices.smooth {
            let weight = format!("· smoothed {} ", self.choices.weight());
            title.push(Span::styled(weight, depth.accent()));
        }
        if let Some((low, high)) = self.choices.zoom {
            let shown = format!(
                "· {} {}–{} ",
                self.choices.axis.name(),
                compact(low),
                compact(high)
            );
            title.push(Span::styled(shown, depth.accent()));
        }
        Line::from(title)
    }

    /// The run under the cursor in the colour of its line, which is not its arm's.
    pub(super) fn right(&self) -> Line<'static> {
        if self.choices.grouped {
            Line::default()
        } else {
            Line::styled(format!(" ━ {} ", self.run.text), strong())
        }
    }
}
