//! The squared gradient norm of the explained steps as bars.

use super::Explained;
use crate::failure::Failure;
use experiments::explain::{Explanation, Part};
use workbench_report::{ShareBar, SharePanel, shares_svg};

pub(super) fn draw(explained: &Explained) -> Result<String, Failure> {
    let title = format!(
        "Squared gradient norm of {} by layer and role",
        explained.run
    );
    let panels: Vec<_> = explained.steps.iter().map(panel).collect();
    Ok(shares_svg(&title, &panels)?)
}

/// What lies outside the layers in a bar of its own, then the layers.
fn panel(told: &Explanation) -> SharePanel {
    let places = std::iter::once(None).chain(told.layers.iter().map(|part| part.layer));
    let bar = |layer: Option<usize>| {
        let own = told.parts.iter().filter(|part| part.layer == layer);
        let share = |part: &Part| {
            let share = part.share.share.unwrap_or(f64::NAN);
            (part.role.unwrap_or_default().to_owned(), share)
        };
        ShareBar {
            label: layer.map_or_else(|| "outside".to_owned(), |layer| format!("layer {layer}")),
            parts: own.map(share).collect(),
        }
    };
    let finite = told.parts.iter().any(|part| part.share.share.is_some());
    let why = if finite {
        ""
    } else {
        ", whose gradient is not finite"
    };
    SharePanel {
        title: format!("step {}{why}", told.step),
        bars: places.map(bar).collect(),
    }
}
