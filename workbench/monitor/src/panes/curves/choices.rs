//! How curves are drawn.

use crate::shared::Axis;

/// Smoothing weights to choose from, as in TensorBoard's slider.
pub(super) const SMOOTHING: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

/// How curves are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CurveChoices {
    /// Logarithmic y axis of the upper and of the lower chart.
    pub(super) log: [bool; 2],
    pub(super) smooth: bool,
    /// Index into [`SMOOTHING`].
    pub(super) level: usize,
    pub(super) axis: Axis,
    /// One curve per arm instead of one per run.
    pub(super) grouped: bool,
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
    pub(super) fn next_axis(&mut self) {
        self.axis = match self.axis {
            Axis::Step => Axis::Tokens,
            Axis::Tokens => Axis::Time,
            Axis::Time => Axis::Step,
        };
    }

    /// The smoothing weight in use; 0 is none.
    pub(super) fn weight(&self) -> f64 {
        if self.smooth {
            SMOOTHING[self.level.min(SMOOTHING.len() - 1)]
        } else {
            0.0
        }
    }

    /// One level up or down; below the weakest level smoothing is off, and from off it starts weakest.
    pub(super) fn smooth_by(&mut self, by: isize) {
        match (self.smooth, by > 0) {
            (false, true) => (self.smooth, self.level) = (true, 0),
            (false, false) => {}
            (true, true) => self.level = (self.level + 1).min(SMOOTHING.len() - 1),
            (true, false) if self.level == 0 => self.smooth = false,
            (true, false) => self.level -= 1,
        }
    }
}
