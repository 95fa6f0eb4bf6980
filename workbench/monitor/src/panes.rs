//! The table of panes. Tabs, their digits, key sections, help, mouse and the names on the command line all follow from it.

use crate::pane::Entry;

mod alarms;
mod curves;
mod dose;
mod layers;
mod machine;
mod outcomes;
mod runs;

/// Every pane, in the order of tabs, help and focus.
pub(crate) static PANES: [Entry; 7] = [
    runs::ENTRY,
    curves::ENTRY,
    layers::ENTRY,
    alarms::ENTRY,
    outcomes::ENTRY,
    dose::ENTRY,
    machine::ENTRY,
];

/// A tab: what fills the screen, the overview or one pane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tab {
    /// Number of the pane; none for the overview.
    pub(crate) pane: Option<usize>,
}

impl Tab {
    /// Several panes at once.
    pub const OVERVIEW: Self = Self { pane: None };

    /// All tabs in order.
    pub fn all() -> impl Iterator<Item = Self> {
        tabs(&PANES)
    }

    /// The tab of this name, as on the command line.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|tab| tab.name() == name)
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name_of(&PANES)
    }

    pub(crate) fn name_of(self, panes: &'static [Entry]) -> &'static str {
        self.entry(panes).map_or("overview", |entry| entry.name)
    }

    /// What it shows, in a few words.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.about_of(&PANES)
    }

    pub(crate) fn about_of(self, panes: &'static [Entry]) -> &'static str {
        self.entry(panes).map_or("overview", |entry| entry.about)
    }

    pub(crate) fn title(self, panes: &'static [Entry]) -> &'static str {
        self.entry(panes).map_or("Overview", |entry| entry.title)
    }

    fn entry(self, panes: &'static [Entry]) -> Option<&'static Entry> {
        self.pane.and_then(|pane| panes.get(pane))
    }
}

/// The tabs of a table of panes: the overview, then one a pane.
pub(crate) fn tabs(panes: &[Entry]) -> impl Iterator<Item = Tab> + use<> {
    let panes = 0..panes.len();
    std::iter::once(Tab::OVERVIEW).chain(panes.map(|pane| Tab { pane: Some(pane) }))
}

#[cfg(test)]
mod tests;
