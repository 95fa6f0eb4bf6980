//! How curves are drawn.

use crate::shared::Axis;

/// Smoothing weights to choose from, as in TensorBoard's slider.
pub(super) const SMOOTHING: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

/// What the band around a mean shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum BandKind {
    /// From the least to the greatest value.
    #[default]
    Range,
    /// Student's t interval of the mean, at level 0.95.
    Interval,
    /// No band.
    None,
}

impl BandKind {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("range", Self::Range),
        ("interval", Self::Interval),
        ("none", Self::None),
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Range => ", band min–max",
            Self::Interval => ", band 95 % t interval",
            Self::None => "",
        }
    }

    pub(super) fn next(self) -> Self {
        match self {
            Self::Range => Self::Interval,
            Self::Interval => Self::None,
            Self::None => Self::Range,
        }
    }
}

/// How curves are drawn, whatever the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CurveChoices {
    pub(super) log_x: bool,
    pub(super) smooth: bool,
    /// Index into [`SMOOTHING`].
    pub(super) level: usize,
    pub(super) axis: Axis,
    /// One curve per arm instead of one per run.
    pub(super) grouped: bool,
    pub(super) band: BandKind,
    /// The part of the x axis that is shown, in its unit; else all of it.
    pub(super) zoom: Option<(f64, f64)>,
    /// Where values are read; else at the end.
    pub(super) cursor: Option<f64>,
}

impl Default for CurveChoices {
    fn default() -> Self {
        Self {
            log_x: false,
            smooth: false,
            level: 3,
            axis: Axis::Step,
            grouped: true,
            band: BandKind::default(),
            zoom: None,
            cursor: None,
        }
    }
}

impl CurveChoices {
    /// Another unit has other places.
    pub(super) fn set_axis(&mut self, axis: Axis) {
        (self.axis, self.zoom, self.cursor) = (axis, None, None);
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

    /// Shows `factor` times as much of the x axis around the cursor, or around the middle.
    pub(super) fn zoom_by(&mut self, factor: f64, whole: (f64, f64)) {
        let (low, high) = self.zoom.unwrap_or(whole);
        let at = self.cursor.filter(|at| (low..=high).contains(at));
        self.zoom_around(at.unwrap_or(f64::midpoint(low, high)), factor, whole);
    }

    /// Shows `factor` times as much of the x axis, with a place left where it is.
    pub(super) fn zoom_around(&mut self, at: f64, factor: f64, whole: (f64, f64)) {
        let (low, high) = self.zoom.unwrap_or(whole);
        // Below a thousandth of everything the ticks are no longer told apart.
        if (high - low) * factor >= (whole.1 - whole.0) * 1e-3 {
            self.show((at - (at - low) * factor, at + (high - at) * factor), whole);
        }
    }

    /// Moves what is shown by a share of itself.
    pub(super) fn pan(&mut self, share: f64, whole: (f64, f64)) {
        if let Some((low, high)) = self.zoom {
            let by = (share * (high - low)).clamp(whole.0 - low, whole.1 - high);
            self.show((low + by, high + by), whole);
        }
    }

    fn show(&mut self, (low, high): (f64, f64), whole: (f64, f64)) {
        let shown = (low.max(whole.0), high.min(whole.1));
        self.zoom = Some(shown).filter(|shown| *shown != whole && shown.0 < shown.1);
    }

    /// Moves the cursor by a share of what is shown; from nowhere it starts in the middle.
    pub(super) fn move_cursor(&mut self, share: f64, whole: (f64, f64)) {
        let (low, high) = self.zoom.unwrap_or(whole);
        let to = self
            .cursor
            .map_or(f64::midpoint(low, high), |at| at + share * (high - low));
        self.cursor = Some(to.clamp(low, high));
    }
}
