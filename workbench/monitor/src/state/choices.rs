//! The small enumerations the user chooses from.

/// A tab: what fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Several panes at once.
    Overview,
    /// The sweep table and the details of one run.
    Runs,
    /// The curves.
    Curves,
    /// The heat map.
    Layers,
    /// The alarms.
    Alarms,
}

impl Tab {
    /// All tabs in order; tab `n` opens with the key `n + 1`.
    pub const ALL: [Self; 5] = [
        Self::Overview,
        Self::Runs,
        Self::Curves,
        Self::Layers,
        Self::Alarms,
    ];

    /// Its title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Runs => "Runs",
            Self::Curves => "Curves",
            Self::Layers => "Layers",
            Self::Alarms => "Alarms",
        }
    }

    /// The one pane it shows; none for the overview.
    pub(crate) fn pane(self) -> Option<Pane> {
        match self {
            Self::Overview => None,
            Self::Runs => Some(Pane::Runs),
            Self::Curves => Some(Pane::Curves),
            Self::Layers => Some(Pane::Layers),
            Self::Alarms => Some(Pane::Alarms),
        }
    }
}

/// A pane: one framed part of the screen that can have the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    /// The sweep table.
    Runs,
    /// The curves.
    Curves,
    /// The heat map.
    Layers,
    /// The alarms.
    Alarms,
}

impl Pane {
    /// The tab that shows it alone.
    pub(crate) fn tab(self) -> Tab {
        match self {
            Self::Runs => Tab::Runs,
            Self::Curves => Tab::Curves,
            Self::Layers => Tab::Layers,
            Self::Alarms => Tab::Alarms,
        }
    }
}

/// A column of the sweep table, which is also a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// The order of the plan; shown as the selection mark.
    Plan,
    /// Arm.
    Arm,
    /// Seed.
    Seed,
    /// Share of the planned steps done.
    Progress,
    /// Steps done.
    Step,
    /// Last training loss.
    Loss,
    /// Last held-out loss.
    HeldOut,
    /// Outcome by the card's rules.
    Outcome,
    /// What the process is doing.
    State,
}

impl Column {
    /// All columns from left to right.
    pub(crate) const ALL: [Self; 9] = [
        Self::Plan,
        Self::Arm,
        Self::Seed,
        Self::Progress,
        Self::Step,
        Self::Loss,
        Self::HeldOut,
        Self::Outcome,
        Self::State,
    ];

    /// Heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plan => "",
            Self::Arm => "arm",
            Self::Seed => "seed",
            Self::Progress => "progress",
            Self::Step => "step",
            Self::Loss => "loss",
            Self::HeldOut => "held-out",
            Self::Outcome => "outcome",
            Self::State => "state",
        }
    }

    pub(crate) fn next(self) -> Self {
        let here = Self::ALL
            .iter()
            .position(|column| *column == self)
            .unwrap_or(0);
        Self::ALL[(here + 1) % Self::ALL.len()]
    }
}

/// What the x axis of the curves counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Axis {
    /// Optimiser steps.
    Step,
    /// Tokens consumed.
    Tokens,
    /// Seconds spent in training steps; pauses between attempts do not count.
    Time,
}

impl Axis {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Step => Self::Tokens,
            Self::Tokens => Self::Time,
            Self::Time => Self::Step,
        }
    }

    /// Label of the axis.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Tokens => "tokens",
            Self::Time => "time",
        }
    }
}

/// Smoothing weights to choose from, as in TensorBoard's slider.
pub(crate) const SMOOTHING: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

/// How curves are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CurveChoices {
    /// Logarithmic y axis of the upper and of the lower chart.
    pub(crate) log: [bool; 2],
    pub(crate) smooth: bool,
    /// Index into [`SMOOTHING`].
    pub(crate) level: usize,
    pub(crate) axis: Axis,
    /// One curve per arm instead of one per run.
    pub(crate) grouped: bool,
}

impl Default for CurveChoices {
    fn default() -> Self {
        // Gradient norms span decades, losses do not.
        Self {
            log: [false, true],
            smooth: false,
            level: 3,
            axis: Axis::Step,
            grouped: true,
        }
    }
}

impl CurveChoices {
    /// The smoothing weight in use; 0 is none.
    pub(crate) fn weight(&self) -> f64 {
        if self.smooth {
            SMOOTHING[self.level.min(SMOOTHING.len() - 1)]
        } else {
            0.0
        }
    }

    /// One level up or down; below the weakest level smoothing is off, and from off it starts weakest.
    pub(crate) fn smooth_by(&mut self, by: isize) {
        match (self.smooth, by > 0) {
            (false, true) => (self.smooth, self.level) = (true, 0),
            (false, false) => {}
            (true, true) => self.level = (self.level + 1).min(SMOOTHING.len() - 1),
            (true, false) if self.level == 0 => self.smooth = false,
            (true, false) => self.level -= 1,
        }
    }
}
