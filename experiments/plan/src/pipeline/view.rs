//! Which part of a timeline is shown where; the drawing and the terminal share it.

use super::Timeline;

/// A piece of the time axis and where it lies on the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    /// First second shown.
    pub(super) from: f64,
    /// Last second shown.
    pub(super) to: f64,
    /// Position of `from`, in pixels or columns.
    pub(super) at: f64,
    /// Pixels or columns per second.
    pub(super) scale: f64,
}

impl Part {
    /// Position of a time, cut to the part.
    pub(super) fn place(&self, seconds: f64) -> f64 {
        self.at + (seconds.clamp(self.from, self.to) - self.from) * self.scale
    }

    /// Whether any of a span of time falls into the part.
    pub(super) fn shows(&self, start: f64, end: f64) -> bool {
        end > self.from && start < self.to
    }
}

/// All of the time axis on `width`; or, where a pass of average length would be narrower than
/// `narrowest`, its begin and its end with a `gap` between, at a scale where it is `readable` wide.
pub(super) fn parts(
    timeline: &Timeline,
    width: f64,
    gap: f64,
    narrowest: f64,
    readable: f64,
) -> Vec<Part> {
    let input = &timeline.input;
    let average = (input.forward_seconds + input.backward_seconds) / (2.0 * input.chunks as f64);
    let (seconds, scale) = (timeline.seconds, width / timeline.seconds);
    let whole = Part {
        from: 0.0,
        to: seconds,
        at: 0.0,
        scale,
    };
    let half = (width - gap) / 2.0;
    let zoom = readable / average;
    let shown = half / zoom;
    if average * scale >= narrowest || half <= 0.0 || 2.0 * shown >= seconds {
        return vec![whole];
    }
    vec![
        Part {
            to: shown,
            scale: zoom,
            ..whole
        },
        Part {
            from: seconds - shown,
            to: seconds,
            at: half + gap,
            scale: zoom,
        },
    ]
}

/// The stages that get a lane: all, or the first and the last with `None` for those between.
pub(super) fn lanes(stages: usize, most: usize) -> Vec<Option<usize>> {
    if stages <= most {
        return (0..stages).map(Some).collect();
    }
    let first = most / 2;
    let last = most - first;
    let begin = (0..first).map(Some);
    let end = (stages - last..stages).map(Some);
    begin.chain([None]).chain(end).collect()
}

/// Unit of the axis and its seconds: ms for steps under one second, else s.
pub(super) fn unit(seconds: f64) -> (&'static str, f64) {
    if seconds < 1.0 {
        ("ms", 1e-3)
    } else {
        ("s", 1.0)
    }
}

/// A time with its unit and three or more significant digits.
pub(super) fn time(seconds: f64) -> String {
    let (unit, size) = unit(seconds);
    let value = seconds / size;
    let decimals = match value {
        100.0.. => 1,
        10.0..100.0 => 2,
        0.01..10.0 => 3,
        _ => 6,
    };
    format!("{value:.decimals$} {unit}")
}

/// Simulated bubble share, and what the formula says.
pub(super) fn bubble(timeline: &Timeline) -> String {
    let simulated = format!("bubble {:.3} %", 100.0 * timeline.bubble);
    timeline.closed_form.map_or(simulated.clone(), |formula| {
        format!("{simulated} (formula {:.3} %)", 100.0 * formula)
    })
}
