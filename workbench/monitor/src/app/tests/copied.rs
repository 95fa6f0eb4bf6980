//! The copied command leads to the same screen, whatever was chosen.

use super::*;
use crate::fixed::twenty;
use crate::keys::Key;

const AREA: Rect = Rect::new(0, 0, 200, 60);

/// Every screen that there is now, with colours and marks.
fn screens(app: &mut App) -> Vec<(&'static str, Buffer)> {
    let open = app.screen.tab;
    let drawn = tabs(&PANES).map(|tab| {
        app.screen.open(tab);
        app.settle(AREA);
        let mut buffer = Buffer::empty(AREA);
        app.screen.note.clear();
        app.draw(AREA, &mut buffer);
        (tab.name(), buffer)
    });
    let drawn = drawn.collect();
    app.screen.open(open);
    drawn
}

/// What the copied command shows.
fn again(copied: &str, source: Fixed) -> App {
    let words = shlex::split(copied).unwrap();
    let mut app = shown(source, Depth::True);
    let option = |name: &str| {
        let pairs = words.windows(2).filter(move |pair| pair[0] == name);
        pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
    };
    for name in option("--tab") {
        app.screen.open(tab(&name));
    }
    for line in option("--do") {
        app.screen
            .command(&line)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    app
}

fn assert_leads_back(app: &mut App, source: Fixed, what: &str) {
    let copied = app.screen.as_command();
    let mut again = again(&copied, source);
    assert_eq!(again.screen.tab, app.screen.tab, "{what}: {copied}");
    // As the terminal does it: first the tab that is open.
    again.draw(AREA, &mut Buffer::empty(AREA));
    for ((name, here), (_, there)) in screens(app).into_iter().zip(screens(&mut again)) {
        if here != there {
            let (here, there) = (export::plain(&here), export::plain(&there));
            let differing = here.lines().zip(there.lines()).find(|(a, b)| a != b);
            panic!("{what}: {name} differs after {copied}\n{differing:#?}");
        }
    }
}

/// Keys that begin something else than a choice: a line, a question, the end.
fn begins_another(row: &Row) -> bool {
    ["/", ":", "?", "q", "ctrl-c", "S", "C", "R"].contains(&row.label)
}

/// All keys that choose something, with the pane that they belong to.
fn choices(app: &App) -> Vec<(&'static str, &'static str, Key)> {
    let sections = app.screen.sections().into_iter();
    let rows = sections.flat_map(|section| {
        let title = section.title;
        section.rows.into_iter().map(move |row| (title, row))
    });
    let rows = rows.filter(|(_, row)| !begins_another(row));
    let keys = rows.flat_map(|(title, row)| {
        let keys = row.keys.iter();
        keys.map(move |key| (title, row.label, *key))
            .collect::<Vec<_>>()
    });
    keys.collect()
}

/// A key that is added and chooses something that no command gives fails here.
#[test]
fn every_key_that_chooses_something_is_in_the_copied_command() {
    let mut app = shown(twenty(2), Depth::True);
    let keys = choices(&app);
    screens(&mut app);
    for (title, label, key) in keys {
        // On the tab of its pane, or on the overview.
        let name = title.to_lowercase();
        let open = Tab::named(&name).unwrap_or(Tab::OVERVIEW);
        for times in 1..=2 {
            let mut app = shown(twenty(2), Depth::True);
            app.screen.open(open);
            screens(&mut app);
            for _ in 0..times {
                app.draw(AREA, &mut Buffer::empty(AREA));
                app.screen.press(key);
                app.draw(AREA, &mut Buffer::empty(AREA));
            }
            assert_leads_back(&mut app, twenty(2), &format!("{title} {label} ×{times}"));
        }
    }
}

#[test]
fn what_is_typed_is_in_the_copied_command() {
    for lines in [
        &[
            "filter lr<=0.01",
            "group num_heads",
            "sort loss down",
            "failed-first on",
        ][..],
        &[
            "signals loss,lr",
            "zoom 20 90",
            "log x",
            "cursor 40",
            "curves run",
        ],
        &[
            "select heads-num_heads-8-lr-0.001-0123abcd-s1 lr=0.1",
            "dose num_heads",
        ],
        &["select none", "bell off", "focus layers"],
        &["follow on", "alarms run"],
        &[
            "tab runs",
            "details console 1",
            "find directory",
            "compare num_heads=4",
        ],
        &[
            "facets num_heads",
            "band none",
            "smooth 0.95",
            "axis tokens",
            "panel 1",
        ],
        &[
            "layers layer_param_norm layer_grad_norm",
            "depth 30",
            "colour num_heads",
        ],
    ] {
        let mut app = shown(twenty(2), Depth::True);
        screens(&mut app);
        for line in lines {
            app.screen.command(line).unwrap();
            app.draw(AREA, &mut Buffer::empty(AREA));
        }
        assert_leads_back(&mut app, twenty(2), &lines.join("; "));
    }
}

#[test]
fn the_users_settings_and_forks_are_in_the_copied_command() {
    let mut app = app(2, Depth::Mono);
    app.screen.settings = Some("my keys.toml".into());
    app.screen.forks = vec!["runs/it's".into()];
    let words = shlex::split(&app.screen.as_command()).unwrap();
    for pair in [["--settings", "my keys.toml"], ["--fork", "runs/it's"]] {
        assert!(words.windows(2).any(|words| words == pair), "{words:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    // Choices upon choices, as somebody makes them.
    #[test]
    fn prop_the_copied_command_leads_to_the_same_screens(
        pressed in prop::collection::vec(any::<prop::sample::Index>(), 1..16),
        open in any::<prop::sample::Index>(),
    ) {
        let mut app = shown(fixed(3, STEPS), Depth::True);
        let tabs: Vec<Tab> = tabs(&PANES).collect();
        app.screen.open(tabs[open.index(tabs.len())]);
        screens(&mut app);
        let keys = choices(&app);
        let mut labels = Vec::new();
        for index in pressed {
            let (title, label, key) = keys[index.index(keys.len())];
            labels.push(format!("{title} {label}"));
            app.draw(AREA, &mut Buffer::empty(AREA));
            app.screen.press(key);
            app.draw(AREA, &mut Buffer::empty(AREA));
        }
        app.screen.help = None;
        assert_leads_back(&mut app, fixed(3, STEPS), &labels.join(", "));
    }
}
