//! The heat map: layers upwards, steps to the right.

use ratatui::{
    buffer::Buffer,
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::keys::{Binding, bindings, letter};
use crate::number::count;
use crate::paint::hint;
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::shared::{Label, Shared, turn};
use crate::view::Revision;
use heat::Heat;

mod heat;
mod map;

pub(super) const ENTRY: Entry = Entry {
    name: "layers",
    title: "Layers",
    about: "layers: the heat map",
    corner: Some(Corner::LowerRight),
    make: || {
        Box::new(Layers {
            signal: "layer_grad_norm".to_owned(),
            ..Layers::default()
        })
    },
};

#[derive(Default)]
struct Layers {
    /// By name: the list of signals may grow meanwhile.
    signal: String,
    run: Label,
    heat: Heat,
    made_from: Option<HeatKey>,
}

/// Everything the map depends on: while it stays the same, nothing is computed.
#[derive(Debug, Clone, PartialEq)]
struct HeatKey {
    run: usize,
    revision: Revision,
    signal: String,
    columns: usize,
}

impl Keys for Layers {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('m')] "m" "signal" "next per-layer signal in the heat map" |pane, shared| turn(&mut pane.signal, &shared.layer_signals, 1);
        [letter('M')] "M" "" "previous per-layer signal" |pane, shared| turn(&mut pane.signal, &shared.layer_signals, -1);
    ];
}

impl Pane for Layers {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        self.run = shared.label(shared.cursor);
        let key = HeatKey {
            run: shared.cursor,
            revision: shared.revision(shared.cursor),
            signal: self.signal.clone(),
            columns: usize::from(map::plot(place.inner()).width),
        };
        if self.made_from.as_ref() != Some(&key) {
            self.heat = Heat::build(
                &shared.layer_records(&self.signal),
                &self.signal,
                key.columns,
            );
            self.made_from = Some(key);
        }
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let right = match self.heat.nonfinite {
            0 => Line::default(),
            lost => Line::styled(
                format!(" ✕ {} non-finite ", count(lost as u64)),
                depth.bad(),
            ),
        };
        place
            .frame(self.title(depth), right, depth)
            .render(place.area, buffer);
        if self.heat.layers == 0 {
            let text = "no per-layer signal recorded for this run yet";
            hint(buffer, place.inner(), text, depth);
        } else {
            map::draw(&self.heat, place.inner(), depth, buffer);
        }
    }
}

impl Layers {
    fn title(&self, depth: Depth) -> Line<'static> {
        Line::from(vec![
            Span::styled(" Layers ", strong()),
            Span::styled("· ", depth.dim()),
            Span::raw(format!("{} ", self.heat.signal)),
            Span::styled("· ", depth.dim()),
            self.run.span(depth),
            Span::raw(" "),
        ])
    }
}
