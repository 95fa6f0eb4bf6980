//! Keys and clicks as events, on a drawn screen.

use super::*;

fn mouse(app: &mut App, kind: MouseEventKind, column: u16, row: u16) -> bool {
    app.handle(&Event::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }))
}

const LEFT: MouseEventKind = MouseEventKind::Down(MouseButton::Left);

/// Where a text stands on the screen.
fn find(app: &mut App, text: &str) -> (u16, u16) {
    let screen = app.text(200, 50);
    let found = screen
        .lines()
        .enumerate()
        .find_map(|(y, line)| Some((line[..line.find(text)?].chars().count(), y)));
    let (x, y) = found.unwrap_or_else(|| panic!("no `{text}` in\n{screen}"));
    (x as u16, y as u16)
}

#[test]
fn every_key_works_on_every_tab_and_size() {
    for (width, height) in [
        (0, 0),
        (1, 1),
        (2, 1),
        (1, 30),
        (44, 10),
        (45, 11),
        (80, 24),
        (200, 50),
    ] {
        let area = Rect::new(0, 0, width, height);
        for mut app in [app(4, Depth::True), app(4, Depth::Mono), empty()] {
            for tab in tabs(&PANES) {
                for row in all_rows(&app) {
                    app.screen.open(tab);
                    for key in row.keys {
                        let modifiers = if key.ctrl {
                            KeyModifiers::CONTROL
                        } else {
                            KeyModifiers::NONE
                        };
                        assert!(
                            app.handle(&Event::Key(KeyEvent::new(key.code, modifiers))),
                            "{}",
                            row.label
                        );
                        app.draw(area, &mut Buffer::empty(area));
                    }
                }
                app.screen.help = None;
            }
        }
    }
}

#[test]
fn keys_change_what_is_drawn() {
    let mut app = app(6, Depth::Mono);
    app.text(200, 50);
    press(&mut app, KeyCode::Char('z'));
    press(&mut app, KeyCode::Char('x'));
    press(&mut app, KeyCode::Char('x'));
    press(&mut app, KeyCode::Char('v'));
    press(&mut app, KeyCode::Char('m'));
    let text = app.text(200, 50);
    for expected in ["smoothed 0.9", "tokens", "grad_norm", "layer_param_norm"] {
        assert!(text.contains(expected), "`{expected}` in\n{text}");
    }
    press(&mut app, KeyCode::Char('g'));
    press(&mut app, KeyCode::Char('y'));
    let text = app.text(200, 50);
    assert!(
        text.contains("one line per run") && text.contains("loss nats/token log"),
        "{text}"
    );
}

#[test]
fn nothing_selected_draws_no_curves() {
    let mut app = app(6, Depth::Mono);
    press(&mut app, KeyCode::Char('a'));
    assert!(app.text(120, 40).contains("nothing selected"));
}

#[test]
fn unbound_keys_and_releases_do_nothing() {
    let mut app = app(2, Depth::Mono);
    assert!(!press(&mut app, KeyCode::Char('%')));
    let release = KeyEvent::new_with_kind(
        KeyCode::Char('q'),
        KeyModifiers::NONE,
        KeyEventKind::Release,
    );
    assert!(!app.handle(&Event::Key(release)));
    assert_eq!(app.screen.leaving, None);
    assert!(app.handle(&Event::Resize(10, 10)));
}

#[test]
fn a_click_on_a_run_moves_the_cursor_and_on_its_mark_drops_it() {
    let mut app = app(6, Depth::Mono);
    let (x, y) = find(&mut app, "deepnorm_glm    2");
    mouse(&mut app, LEFT, x, y);
    let run = app.screen.shared.cursor;
    assert_eq!(app.screen.shared.label(run).text, "deepnorm_glm s2");
    assert!(app.screen.shared.is_selected(run));
    mouse(&mut app, LEFT, x - 2, y);
    assert!(!app.screen.shared.is_selected(run));
}

/// A screen that follows what is trained would take the cursor away again at the next frame.
#[test]
fn a_click_ends_following() {
    let mut app = app(6, Depth::Mono);
    app.screen.shared.follow = true;
    let (x, y) = find(&mut app, "deepnorm_glm    2");
    mouse(&mut app, LEFT, x, y);
    app.text(200, 50);
    let shared = &app.screen.shared;
    assert_eq!(shared.label(shared.cursor).text, "deepnorm_glm s2");
    assert!(!shared.follow);
}

#[test]
fn a_click_on_a_heading_sorts_and_again_reverses() {
    let mut app = app(6, Depth::Mono);
    let (x, y) = find(&mut app, "held-out");
    mouse(&mut app, LEFT, x, y);
    let held_out = |app: &mut App| {
        app.text(200, 50);
        let shared = &app.screen.shared;
        let run = |run: &usize| shared.run(*run).unwrap().held_out;
        shared.order.iter().map(run).collect::<Vec<_>>()
    };
    let order = held_out(&mut app);
    assert!(order[0] < order[1], "the lowest first");
    mouse(&mut app, LEFT, x, y);
    let order = held_out(&mut app);
    assert!(order[0].is_some_and(f64::is_nan), "NaN is the largest loss");
    assert!(
        order.last().is_some_and(Option::is_none),
        "runs without a loss are last either way"
    );
}

#[test]
fn clicks_on_tabs_and_panes() {
    let mut app = app(6, Depth::Mono);
    let (x, y) = find(&mut app, "Alarms · all runs");
    mouse(&mut app, LEFT, x, y);
    assert_eq!(PANES[app.screen.focus].name, "alarms");
    let (x, y) = find(&mut app, "4 Layers");
    mouse(&mut app, LEFT, x, y);
    assert_eq!(app.screen.tab, tab("layers"));
    press(&mut app, KeyCode::Char('?'));
    mouse(&mut app, LEFT, 3, 3);
    assert!(app.screen.help.is_none(), "any click closes help");
}

#[test]
fn the_wheel_scrolls_what_is_under_it() {
    let mut app = app(12, Depth::Mono);
    let (x, y) = find(&mut app, "deepnorm_glm    2");
    let before = app.screen.shared.cursor;
    mouse(&mut app, MouseEventKind::ScrollDown, x, y);
    assert_ne!(app.screen.shared.cursor, before);
    mouse(&mut app, MouseEventKind::ScrollUp, x, y);
    assert_eq!(app.screen.shared.cursor, before);
    let (x, y) = find(&mut app, "Alarms · all runs");
    mouse(&mut app, LEFT, x, y);
    mouse(&mut app, MouseEventKind::ScrollDown, x, y + 2);
    assert_eq!(app.screen.shared.cursor, before);
    press(&mut app, KeyCode::Enter);
    app.text(200, 50);
    press(&mut app, KeyCode::Enter);
    let run = app.screen.shared.cursor;
    assert_eq!(
        app.screen.shared.label(run).text,
        "post s3",
        "a notch is three alarms"
    );
}

#[test]
fn the_bell_can_be_turned_off() {
    for (presses, rings) in [(0, true), (1, false), (2, true)] {
        let source = Fixed {
            bells: vec!["non-finite".to_owned()],
            ..fixed(2, STEPS)
        };
        let coming = source.coming.clone();
        let mut app = shown(source, Depth::Mono);
        for _ in 0..presses {
            press(&mut app, KeyCode::Char('b'));
        }
        assert_eq!(app.text(200, 50).contains("bell off"), !rings);
        let mut lost = logs::Record::new(STEPS + 1);
        lost.set_named("loss", f64::NAN);
        coming.borrow_mut().push((0, lost));
        let news = app.poll().unwrap();
        assert_eq!((news.changed, news.bell), (true, rings));
    }
}

/// What somebody does, and what happens meanwhile.
#[derive(Debug, Clone)]
enum Done {
    Resized(u16, u16),
    Clicked(u16, u16),
    Turned(u16, u16, bool),
    /// The button is held, and let go.
    Dragged(u16, u16, bool),
    /// A key of the tables.
    Pressed(prop::sample::Index),
    /// Letters as they come, into whatever takes them.
    Typed(String),
    /// Tab, Enter, Esc, Backspace.
    Edited(u8),
    /// A run recorded something.
    Grew(prop::sample::Index),
    /// What a run recorded is gone, or is there anew.
    Emptied(prop::sample::Index),
    /// The last run is no longer there, as where another sweep has the name.
    Vanished,
}

fn done() -> impl Strategy<Value = Done> {
    let text = prop_oneof![
        "[:/][a-z=<>!|.,0-9 訓]{0,14}",
        "[a-zA-Z0-9 :/?!]{1,4}",
        "[:/].{0,12}"
    ];
    prop_oneof![
        2 => (0u16..150, 0u16..60).prop_map(|(x, y)| Done::Resized(x, y)),
        1 => (0u16..200, 0u16..60).prop_map(|(x, y)| Done::Clicked(x, y)),
        1 => (0u16..200, 0u16..60, any::<bool>()).prop_map(|(x, y, up)| Done::Turned(x, y, up)),
        2 => (0u16..200, 0u16..60, any::<bool>()).prop_map(|(x, y, go)| Done::Dragged(x, y, go)),
        6 => any::<prop::sample::Index>().prop_map(Done::Pressed),
        3 => text.prop_map(Done::Typed),
        2 => (0u8..4).prop_map(Done::Edited),
        1 => any::<prop::sample::Index>().prop_map(Done::Grew),
        1 => any::<prop::sample::Index>().prop_map(Done::Emptied),
        1 => Just(Done::Vanished),
    ]
}

fn happen(app: &mut App, changes: &crate::fixed::Changes, done: &Done) {
    let runs = app.screen.shared.runs().len();
    match done {
        Done::Clicked(x, y) => {
            mouse(app, LEFT, *x, *y);
        }
        Done::Turned(x, y, up) => {
            let kind = if *up {
                MouseEventKind::ScrollUp
            } else {
                MouseEventKind::ScrollDown
            };
            mouse(app, kind, *x, *y);
        }
        Done::Dragged(x, y, go) => {
            let kind = if *go {
                MouseEventKind::Up
            } else {
                MouseEventKind::Drag
            };
            mouse(app, kind(MouseButton::Left), *x, *y);
        }
        Done::Pressed(index) => {
            let keys: Vec<_> = all_rows(app)
                .iter()
                .flat_map(|row| row.keys)
                .copied()
                .collect();
            app.screen.press(keys[index.index(keys.len())]);
        }
        Done::Typed(text) => {
            for letter in text.chars() {
                press(app, KeyCode::Char(letter));
            }
        }
        Done::Edited(key) => {
            let keys = [
                KeyCode::Tab,
                KeyCode::Enter,
                KeyCode::Esc,
                KeyCode::Backspace,
            ];
            press(app, keys[usize::from(*key)]);
        }
        Done::Grew(run) if runs > 0 => {
            let run = run.index(runs);
            let mut record = logs::Record::new(STEPS + 1);
            record.set_named("loss", f64::NAN);
            record.set_layers_named("layer_grad_norm", vec![1.0; 9]);
            changes.coming.borrow_mut().push((run, record));
        }
        Done::Emptied(run) if runs > 0 => changes.emptied.borrow_mut().push(run.index(runs)),
        Done::Vanished => changes.vanished.set(changes.vanished.get() + 1),
        Done::Resized(..) | Done::Grew(_) | Done::Emptied(_) => {}
    }
    app.screen.export = None;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    // Whatever somebody does or types on whatever size, and whatever comes and goes meanwhile, no panic.
    #[test]
    fn prop_any_input_on_any_size(seeds in 0u64..9, all in prop::collection::vec(done(), 1..40)) {
        let source = fixed(seeds, STEPS);
        let changes = source.changes();
        let mut app = shown(source, Depth::Indexed);
        let mut area = Rect::new(0, 0, 120, 40);
        for done in all {
            if let Done::Resized(width, height) = done {
                area = Rect::new(0, 0, width, height);
            }
            happen(&mut app, &changes, &done);
            app.poll().unwrap();
            app.draw(area, &mut Buffer::empty(area));
            prop_assert!(app.screen.shared.cursor < app.screen.shared.runs().len().max(1));
        }
    }
}
