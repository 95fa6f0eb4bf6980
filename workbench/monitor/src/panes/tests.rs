//! A made-up pane, added as `docs/extending.md` says, has tab, digit, keys, help, mouse and documentation by its row alone.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::*;
use crate::app::App;
use crate::colour::Depth;
use crate::fixed::{STEPS, fixed};

mod arms;

static WITH_ARMS: [Entry; 5] = [
    runs::ENTRY,
    curves::ENTRY,
    layers::ENTRY,
    alarms::ENTRY,
    arms::ENTRY,
];

fn app() -> App {
    let mut app = App::new(Box::new(fixed(3, STEPS)), &WITH_ARMS, Depth::Mono);
    app.text(120, 40);
    app
}

fn press(app: &mut App, letter: char) -> String {
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
    assert!(app.handle(&Event::Key(key)), "{letter}");
    app.text(120, 40)
}

fn click(app: &mut App, column: u16, row: u16) -> String {
    app.handle(&Event::Mouse(MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }));
    app.text(120, 40)
}

#[test]
fn a_row_of_the_table_is_a_pane() {
    let mut app = app();
    let screen = press(&mut app, '6');
    assert!(screen.contains(" 6 Arms"), "{screen}");
    assert!(screen.contains("deepnorm_glm: 3 runs, 3."), "{screen}");
    assert!(screen.contains(" mean loss "), "{screen}");
    assert!(
        screen.contains(" m mean/least "),
        "the key bar has it: {screen}"
    );
    assert!(press(&mut app, 'm').contains(" least loss "));
    click(&mut app, 5, 5);
    let shared = &app.screen.shared;
    assert_eq!(shared.label(shared.cursor).text, "deepnorm_glm s1");
    press(&mut app, '?');
    let help = app.text(150, 99);
    assert!(help.contains("mean or least of an arm's losses"), "{help}");
    assert!(help.contains("arms: the losses of each"), "{help}");
    let keys = crate::keys::markdown(&app.screen.sections());
    assert!(keys.contains("### Arms\n\n| key | what it does |\n|---|---|\n| `m` | mean"));
}

#[test]
fn a_key_belongs_to_the_pane_with_the_focus_first() {
    let mut app = app();
    press(&mut app, '6');
    assert!(press(&mut app, 'm').contains(" least loss "));
    assert!(press(&mut app, '4').contains("Layers · layer_grad_norm"));
    assert!(press(&mut app, 'm').contains("Layers · layer_param_norm"));
    assert!(press(&mut app, '6').contains(" least loss "));
}

#[test]
fn its_tab_can_be_clicked() {
    let mut app = app();
    let overview = app.text(120, 40);
    let tabs = overview.lines().nth(2).unwrap();
    let screen = click(&mut app, tabs.find("Arms").unwrap() as u16, 2);
    assert!(screen.contains(" mean loss "), "{screen}");
}

#[test]
fn the_documentation_shows_this_pane() {
    let page = include_str!("../../../../docs/extending.md");
    assert!(page.contains(include_str!("tests/arms.rs")));
}

#[test]
fn the_documentation_has_every_key_and_every_tab() {
    let page = include_str!("../../../../docs/monitor.md");
    let keys = crate::keys_markdown();
    assert!(page.contains(&keys), "the section Keys is to be\n{keys}");
    let names: Vec<String> = Tab::all().map(|tab| format!("`{}`", tab.name())).collect();
    assert!(page.contains(&names.join(", ")), "{names:?}");
}

#[test]
fn the_documentation_has_every_command() {
    let page = include_str!("../../../../docs/monitor.md");
    let commands = crate::commands_markdown();
    assert!(
        page.contains(&commands),
        "the section Commands is to be\n{commands}"
    );
}
