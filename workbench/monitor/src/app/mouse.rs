//! Clicks and the wheel.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::App;
use crate::draw::longest_arm;
use crate::keys::Action;
use crate::layout;
use crate::state::{Column, Pane};

/// Rows per notch of the wheel in the alarms; runs move one by one, since every one redraws the heat map.
const NOTCH: isize = 3;

pub(super) fn handle(app: &mut App, event: MouseEvent) -> bool {
    let (x, y) = (event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => click(app, x, y),
        MouseEventKind::ScrollDown => wheel(app, x, y, 1),
        MouseEventKind::ScrollUp => wheel(app, x, y, -1),
        _ => return false,
    }
    let facts = app.facts();
    app.state.fit(&facts);
    true
}

fn wheel(app: &mut App, x: u16, y: u16, direction: isize) {
    let pane = app
        .layout()
        .pane_at(x, y)
        .map_or(Pane::Runs, |(pane, _)| pane);
    let facts = app.facts();
    let rows = if pane == Pane::Alarms || app.state.help {
        NOTCH
    } else {
        1
    };
    app.state.scroll(pane, direction * rows, &facts);
}

fn click(app: &mut App, x: u16, y: u16) {
    if app.state.help {
        app.apply(Action::Help);
        return;
    }
    let layout = app.layout();
    if let Some((tab, _)) = layout
        .tabs
        .iter()
        .find(|(_, area)| area.contains((x, y).into()))
    {
        app.apply(Action::Open(*tab));
        return;
    }
    let Some((pane, area)) = layout.pane_at(x, y) else {
        return;
    };
    app.state.focus = pane;
    let list = layout::list(area);
    let row = list
        .contains((x, y).into())
        .then(|| usize::from(y - list.y));
    match pane {
        Pane::Runs => {
            let inner = layout::inner(area);
            let columns = layout::columns(inner.width, longest_arm(&app.scene.arms));
            // The gap after a column counts as part of it.
            let column = x.checked_sub(inner.x).and_then(|x| {
                columns
                    .iter()
                    .find(|(_, from, width)| (*from..=from + width).contains(&x))
            });
            match (row, column) {
                (Some(row), column) => {
                    if let Some(run) = app.scene.order.get(app.state.offset + row).copied() {
                        app.state.cursor = run;
                        if column.is_some_and(|(column, ..)| *column == Column::Plan) {
                            app.apply(Action::Select);
                        }
                    }
                }
                (None, Some((column, ..))) if y == inner.y => app.state.sort_by(*column),
                _ => {}
            }
        }
        Pane::Alarms => {
            if let Some(row) =
                row.filter(|row| app.state.alarm_offset + row < app.scene.alarms.len())
            {
                app.state.alarm_cursor = app.state.alarm_offset + row;
            }
        }
        Pane::Curves | Pane::Layers => {}
    }
}
