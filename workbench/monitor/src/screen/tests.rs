//! Each key does what its row says, and the tables of keys hold together.

use super::*;
use crate::fixed::{STEPS, fixed};
use crate::panes::PANES;

/// Three arms of four seeds on a screen that shows all panes.
fn screen() -> Screen {
    let shared = Shared::new(Box::new(fixed(4, STEPS)));
    let mut screen = Screen::new(shared, &PANES);
    screen.prepare(Rect::new(0, 0, 200, 50));
    screen
}

/// What a key changes.
fn after(screen: &mut Screen, keys: &[Key]) {
    for key in keys {
        assert!(screen.press(*key), "{key:?}");
        screen.prepare(screen.places.area);
    }
}

fn tab(name: &str) -> Tab {
    Tab::named(name).unwrap()
}

const DOWN: Key = key(KeyCode::Down);
const ENTER: Key = key(KeyCode::Enter);
const ESC: Key = key(KeyCode::Esc);

#[test]
fn no_key_has_two_meanings_for_a_pane() {
    let screen = screen();
    let everywhere = screen.sections().pop().unwrap();
    for pane in &screen.panes {
        let rows = pane.keys().into_iter().chain(everywhere.rows.clone());
        let keys: Vec<Key> = rows.flat_map(|row| row.keys).copied().collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key:?} is bound twice");
        }
    }
}

#[test]
fn every_corner_of_the_overview_has_one_pane_and_every_pane_a_name_of_its_own() {
    for (index, pane) in PANES.iter().enumerate() {
        for other in &PANES[..index] {
            assert_ne!(pane.name, other.name);
            assert!(pane.corner.is_none() || pane.corner != other.corner);
        }
    }
    assert_eq!(PANES.iter().filter_map(|pane| pane.corner).count(), 4);
}

#[test]
fn the_cursor_moves_in_the_order_of_the_table_whatever_pane_has_the_focus() {
    let mut screen = screen();
    assert_eq!(screen.shared.order[..4], [0, 3, 6, 9], "arm by arm");
    after(&mut screen, &[DOWN]);
    assert_eq!(screen.shared.cursor, 3);
    after(&mut screen, &[letter('3'), DOWN, key(KeyCode::Up), DOWN]);
    assert_eq!(screen.shared.cursor, 6);
    after(&mut screen, &[key(KeyCode::End)]);
    assert_eq!(screen.shared.cursor, 11);
    after(&mut screen, &[DOWN, key(KeyCode::Home), key(KeyCode::Up)]);
    assert_eq!(screen.shared.cursor, 0, "stays at the top");
    after(&mut screen, &[letter('1'), key(KeyCode::PageDown)]);
    assert_eq!(
        screen.shared.cursor, 11,
        "a page has more rows than there are"
    );
}

#[test]
fn selection_by_run_by_arm_only_and_all() {
    let chosen = |keys: &str| {
        let mut screen = screen();
        after(&mut screen, &keys.chars().map(letter).collect::<Vec<_>>());
        let shared = screen.shared;
        let chosen = shared.runs().filter(|run| shared.is_selected(*run));
        chosen.collect::<Vec<_>>()
    };
    assert_eq!(chosen(""), (0..12).collect::<Vec<_>>());
    assert_eq!(chosen(" "), (1..12).collect::<Vec<_>>());
    assert_eq!(chosen("o"), [0]);
    assert_eq!(chosen("oA"), [0, 3, 6, 9]);
    assert_eq!(chosen("A"), [1, 2, 4, 5, 7, 8, 10, 11]);
    assert_eq!(chosen("a"), [0; 0]);
    assert_eq!(chosen("oa"), (0..12).collect::<Vec<_>>());
}

#[test]
fn tabs_zoom_and_back() {
    let mut screen = screen();
    after(&mut screen, &[key(KeyCode::Tab), ENTER]);
    assert_eq!(screen.tab, tab("curves"));
    after(
        &mut screen,
        &[ESC, key(KeyCode::BackTab), key(KeyCode::BackTab)],
    );
    assert_eq!(
        (screen.tab, PANES[screen.focus].name),
        (Tab::OVERVIEW, "alarms")
    );
    after(&mut screen, &[letter('4'), letter('?')]);
    screen.fit_help(5);
    after(&mut screen, &[DOWN, DOWN]);
    assert_eq!(
        (screen.help, screen.shared.cursor),
        (Some(2), 0),
        "the help scrolls"
    );
    after(&mut screen, &[ESC]);
    assert_eq!(
        (screen.help, screen.tab),
        (None, tab("layers")),
        "the first esc only closes help"
    );
    after(&mut screen, &[ESC]);
    assert_eq!(screen.tab, Tab::OVERVIEW);
}

#[test]
fn enter_on_an_alarm_goes_to_its_run() {
    let mut screen = screen();
    after(&mut screen, &[letter('5'), key(KeyCode::End), ENTER]);
    let label = screen.shared.label(screen.shared.cursor).text;
    assert_eq!((screen.tab, label.as_str()), (tab("runs"), "post s1"));
}

#[test]
fn leaving_tells_q_from_ctrl_c() {
    let left = |key| {
        let mut screen = screen();
        after(&mut screen, &[key]);
        screen.leaving
    };
    assert_eq!(left(letter('q')), Some(Leaving::Alone));
    let ctrl = Key {
        ctrl: true,
        ..letter('c')
    };
    assert_eq!(left(ctrl), Some(Leaving::Interrupted));
}

#[test]
fn tabs_are_clicked_where_they_are_drawn() {
    let mut screen = screen();
    let row = screen.places.tabs.y;
    let mut opened = Vec::new();
    for x in 0..60 {
        screen.open(Tab::OVERVIEW);
        screen.click(Position::new(x, row));
        opened.push(screen.tab_number());
    }
    let mut expected = vec![0];
    for (number, title) in screen.tab_titles().iter().enumerate() {
        expected.extend(vec![number; title.len()]);
        expected.push(0);
    }
    expected.resize(60, 0);
    assert_eq!(opened, expected);
}
