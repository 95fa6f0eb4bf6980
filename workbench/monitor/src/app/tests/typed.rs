//! What is typed: filters, commands, answers to questions.

use super::*;
use crate::fixed::twenty;
use crate::keys::Key;

fn many(depth: Depth) -> App {
    shown(twenty(5), depth)
}

fn line(app: &mut App, text: &str) -> String {
    for letter in text.chars() {
        press(app, KeyCode::Char(letter));
    }
    press(app, KeyCode::Enter);
    app.text(160, 45)
}

#[test]
fn a_filter_leaves_runs_out_of_the_table_the_curves_and_the_alarms() {
    let mut app = many(Depth::Mono);
    let screen = line(&mut app, "/lr=0.01 seed=1");
    assert!(screen.contains("4 of 100 shown"), "{screen}");
    assert!(screen.contains("filter lr=0.01 seed=1"), "{screen}");
    let shared = &app.screen.shared;
    let drawn = shared.runs().filter(|run| shared.is_selected(*run));
    assert_eq!(drawn.count(), 4);
    assert!(shared.order.contains(&shared.cursor));
    let screen = line(&mut app, "/\u{8}");
    assert!(
        screen.contains("filter"),
        "the line begins with the filter that is there: {screen}"
    );
}

#[test]
fn a_filter_without_a_run_says_so_and_can_be_taken_back() {
    let mut app = many(Depth::Mono);
    let screen = line(&mut app, "/nothing");
    assert!(screen.contains("the filter takes no run"), "{screen}");
    for key in ["j", "o", "a", "A", " ", "S"] {
        line(&mut app, key);
    }
    press(&mut app, KeyCode::Esc);
    assert!(
        line(&mut app, ":filter").contains("100 of 100 drawn")
            || app.screen.shared.order.len() == 100
    );
}

#[test]
fn what_is_wrong_with_a_line_is_said_beside_it_and_the_line_stays() {
    let mut app = many(Depth::Mono);
    let screen = line(&mut app, ":filtre lr=1");
    assert!(
        screen.contains(":filtre lr=1█  no command `filtre`; did you mean `filter`?"),
        "{screen}"
    );
    press(&mut app, KeyCode::Esc);
    assert!(line(&mut app, "/optimizer.lrr=1").contains("did you mean `optimizer.lr`?"));
}

#[test]
fn tab_completes_commands_and_their_arguments() {
    let mut app = many(Depth::Mono);
    for letter in ":gr".chars() {
        press(&mut app, KeyCode::Char(letter));
    }
    press(&mut app, KeyCode::Tab);
    for letter in "opt".chars() {
        press(&mut app, KeyCode::Char(letter));
    }
    press(&mut app, KeyCode::Tab);
    assert_eq!(
        app.screen.prompt.as_ref().unwrap().text,
        "group optimizer.lr "
    );
    press(&mut app, KeyCode::Enter);
    app.text(160, 45);
    let groups = app.screen.shared.groups.looks.arms.iter();
    let groups: Vec<&str> = groups.map(|look| &*look.name).collect();
    assert_eq!(
        groups,
        ["lr=0.001", "lr=0.003", "lr=0.01", "lr=0.03", "lr=0.1"]
    );
    let label = |app: &App| app.screen.shared.label(0).text;
    assert_eq!(
        label(&app),
        "num_heads=8 lr=0.001 s1",
        "a run keeps the name of its arm"
    );
}

#[test]
fn failed_runs_come_first_whatever_the_order() {
    let mut app = many(Depth::Mono);
    press(&mut app, KeyCode::Char('!'));
    app.text(160, 45);
    let shared = &app.screen.shared;
    let outcome = |place: usize| shared.run(shared.order[place]).unwrap().outcome;
    assert_eq!(outcome(0), Some(sweeps::Outcome::Diverged));
    assert_ne!(outcome(99), Some(sweeps::Outcome::Diverged));
}

/// The run that is trained stands far below: it is named at the lower edge, and `F` goes to it.
#[test]
fn what_is_trained_is_never_off_the_screen() {
    let mut app = many(Depth::Mono);
    let screen = app.text(120, 40);
    assert!(
        screen.contains("● num_heads=1 lr=0.01 s5 75/150"),
        "{screen}"
    );
    press(&mut app, KeyCode::Char('F'));
    app.text(120, 40);
    let shared = &app.screen.shared;
    assert_eq!(
        shared.run(shared.cursor).unwrap().state,
        sweeps::State::Running
    );
    press(&mut app, KeyCode::Char('k'));
    assert!(
        !app.screen.shared.follow,
        "who moves the cursor wants it to stay"
    );
}

#[test]
fn a_run_without_a_sweep_cannot_be_stopped_from_here() {
    let mut app = many(Depth::Mono);
    press(&mut app, KeyCode::Char('S'));
    assert!(
        app.text(120, 40)
            .contains("a run without a sweep is stopped by its own command")
    );
    assert!(app.screen.prompt.is_none());
}

#[test]
fn ctrl_c_leaves_whatever_is_typed() {
    let mut app = many(Depth::Mono);
    press(&mut app, KeyCode::Char(':'));
    press(&mut app, KeyCode::Char('q'));
    assert_eq!(app.screen.leaving, None);
    assert!(app.screen.press(crate::keys::ctrl('c')));
    assert!(app.screen.leaving.is_some());
}

#[test]
fn every_command_has_a_name_of_its_own() {
    let app = many(Depth::Mono);
    let names: Vec<&str> = app
        .screen
        .contents()
        .commands
        .iter()
        .map(|row| row.name)
        .collect();
    for (place, name) in names.iter().enumerate() {
        assert!(!names[..place].contains(name), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    // Whatever is typed on whatever size, with whatever keys between, no panic.
    #[test]
    fn prop_any_line_on_any_size(
        inputs in prop::collection::vec((0u16..150, 0u16..50, 0usize..30, "[a-z=<>!|.,0-9 訓]{0,12}", 0usize..5), 1..12),
    ) {
        let mut app = many(Depth::Indexed);
        for (width, height, command, argument, kind) in inputs {
            let area = Rect::new(0, 0, width, height);
            app.draw(area, &mut Buffer::empty(area));
            let rows = app.screen.contents().commands;
            let row = rows[command % rows.len()];
            let _ = match kind {
                0 => app.screen.command(&argument),
                1 => app.screen.command(&format!("{} {argument}", row.name)),
                2 => app.screen.command(&format!("{} {}", row.name, row.argument.split(['|', ' ']).next().unwrap_or_default())),
                3 => { line(&mut app, &format!("/{argument}")); Ok(()) }
                _ => {
                    for letter in format!(":{}", row.name).chars().chain(argument.chars()) {
                        app.screen.press(crate::keys::letter(letter));
                        app.screen.press(Key { code: KeyCode::Tab, ctrl: false });
                    }
                    app.screen.press(Key { code: KeyCode::Enter, ctrl: false });
                    Ok(())
                }
            };
            app.screen.export = None;
            app.draw(area, &mut Buffer::empty(area));
        }
    }
}
