//! Each action does what the key table says, and no sequence of them leaves the state invalid.

use proptest::prelude::*;

use super::choices::SMOOTHING;
use super::*;
use crate::keys::BINDINGS;

fn facts() -> Facts {
    Facts {
        order: vec![2, 0, 1, 3],
        arms: vec![0, 0, 1, 1],
        alarm_runs: vec![3, 1, 1],
        signals: vec!["grad_norm".into(), "lr".into()],
        layer_signals: vec!["layer_grad_norm".into(), "layer_param_norm".into()],
        panes: vec![Pane::Runs, Pane::Curves, Pane::Alarms],
        page: [2, 2],
        help_hidden: 5,
    }
}

fn after(actions: &[Action]) -> State {
    let mut state = State {
        cursor: 2,
        ..State::default()
    };
    for action in actions {
        state.apply(*action, &facts());
    }
    state
}

#[test]
fn the_cursor_moves_in_the_order_of_the_table_and_scrolls() {
    assert_eq!(after(&[Action::Move(1)]).cursor, 0);
    assert_eq!(after(&[Action::Move(-1)]).cursor, 2, "stays at the top");
    let last = after(&[Action::Last]);
    assert_eq!((last.cursor, last.offset), (3, 2));
    assert_eq!(after(&[Action::Last, Action::First]).offset, 0);
    assert_eq!(after(&[Action::Page(1)]).cursor, 1);
    assert_eq!(after(&[Action::Page(1), Action::Page(-1)]).cursor, 2);
}

#[test]
fn selection_by_run_by_arm_only_and_all() {
    let chosen = |state: &State| {
        (0..4)
            .filter(|run| state.is_selected(*run))
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen(&after(&[])), [0, 1, 2, 3]);
    assert_eq!(chosen(&after(&[Action::Select])), [0, 1, 3]);
    assert_eq!(chosen(&after(&[Action::Only])), [2]);
    assert_eq!(chosen(&after(&[Action::Only, Action::SelectArm])), [2, 3]);
    assert_eq!(chosen(&after(&[Action::SelectArm])), [0, 1]);
    assert_eq!(chosen(&after(&[Action::SelectAll])), [0; 0]);
    assert_eq!(
        chosen(&after(&[Action::Only, Action::SelectAll])),
        [0, 1, 2, 3]
    );
}

#[test]
fn tabs_zoom_and_back() {
    assert_eq!(after(&[Action::NextPane, Action::Zoom]).tab, Tab::Curves);
    assert_eq!(after(&[Action::PreviousPane]).focus, Pane::Alarms);
    assert_eq!(
        after(&[Action::Open(Tab::Layers), Action::Back]).tab,
        Tab::Overview
    );
    let help = after(&[Action::Open(Tab::Curves), Action::Help, Action::Move(3)]);
    assert!(help.help && help.help_offset == 3 && help.cursor == 2);
    let closed = after(&[Action::Open(Tab::Runs), Action::Help, Action::Back]);
    assert!(
        !closed.help && closed.tab == Tab::Runs,
        "the first esc only closes help"
    );
}

#[test]
fn enter_on_an_alarm_goes_to_its_run() {
    let mut on_alarms = facts();
    on_alarms.panes = vec![Pane::Alarms];
    let mut state = State::default();
    for action in [Action::Open(Tab::Alarms), Action::Move(1), Action::Zoom] {
        state.apply(action, &on_alarms);
    }
    assert_eq!((state.tab, state.cursor), (Tab::Runs, 1));
}

#[test]
fn sorting_starts_ascending_and_reverses() {
    let state = after(&[Action::SortNext]);
    assert_eq!((state.sort, state.descending), (Column::Seed, false));
    assert!(after(&[Action::SortNext, Action::SortReverse]).descending);
    let mut clicked = State::default();
    clicked.sort_by(Column::Loss);
    clicked.sort_by(Column::Loss);
    assert!(clicked.descending, "a second click on the heading reverses");
}

#[test]
fn curve_choices() {
    assert!(after(&[Action::LogUpper]).curves.log[0]);
    assert!(!after(&[Action::LogLower]).curves.log[1]);
    assert_eq!(after(&[Action::Smooth]).curves.weight(), 0.9);
    assert_eq!(
        after(&[Action::Smooth, Action::SmoothMore]).curves.weight(),
        0.95
    );
    assert_eq!(
        after(&[Action::SmoothMore]).curves.weight(),
        SMOOTHING[0],
        "from off it starts weakest"
    );
    assert_eq!(
        after(&[Action::SmoothMore, Action::SmoothLess])
            .curves
            .weight(),
        0.0
    );
    assert_eq!(after(&[Action::Axis, Action::Axis]).curves.axis, Axis::Time);
    assert!(!after(&[Action::Group]).curves.grouped);
    assert_eq!(after(&[Action::NextSignal]).signal, "lr");
    assert_eq!(after(&[Action::PreviousSignal]).signal, "lr");
    assert_eq!(
        after(&[Action::NextLayerSignal]).layer_signal,
        "layer_param_norm"
    );
    assert!(after(&[Action::AlarmScope]).alarms_of_run);
}

#[test]
fn leaving_tells_q_from_ctrl_c() {
    assert_eq!(after(&[Action::Leave]).leaving, Some(false));
    assert_eq!(after(&[Action::Interrupt]).leaving, Some(true));
}

proptest! {
    // Lists may be empty or shrink between two keys; cursors and windows must stay inside.
    #[test]
    fn prop_any_keys_on_any_sweep_keep_the_state_valid(
        keys in prop::collection::vec((0..BINDINGS.len(), 0usize..7, 0usize..4, 0usize..9), 1..60),
    ) {
        let mut state = State::default();
        for (key, runs, alarms, page) in keys {
            let facts = Facts {
                order: (0..runs).rev().collect(),
                arms: vec![0; runs],
                alarm_runs: vec![0; alarms],
                page: [page, page],
                ..facts()
            };
            state.apply(BINDINGS[key].action, &facts);
            prop_assert!(state.cursor < runs.max(1));
            prop_assert!(state.alarm_cursor < alarms.max(1));
            prop_assert!(state.offset <= runs.saturating_sub(page.max(1)));
        }
    }
}
