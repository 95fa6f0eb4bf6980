//! What the screens look like. The snapshots were read by a person before they were accepted.

use super::*;

#[test]
fn overview_at_80x24() {
    insta::assert_snapshot!(app(6, Depth::Mono).text(80, 24));
}

#[test]
fn overview_at_140x40() {
    insta::assert_snapshot!(app(6, Depth::Mono).text(140, 40));
}

#[test]
fn runs_with_details() {
    let mut app = app(6, Depth::Mono);
    app.screen.open(tab("runs"));
    insta::assert_snapshot!(app.text(90, 26));
}

#[test]
fn layers_of_a_lost_run() {
    let mut app = app(6, Depth::Mono);
    app.screen.open(tab("layers"));
    app.screen.shared.cursor = 6;
    insta::assert_snapshot!(app.text(80, 24));
}

#[test]
fn alarms() {
    let mut app = app(6, Depth::Mono);
    app.screen.open(tab("alarms"));
    insta::assert_snapshot!(app.text(80, 16));
}

#[test]
fn help() {
    let mut app = app(6, Depth::Mono);
    press(&mut app, KeyCode::Char('?'));
    insta::assert_snapshot!(app.text(150, 40));
}

/// Names of arms were cut where they differ.
#[test]
fn alarms_and_machine_name_runs_by_what_they_differ_in() {
    let mut source = crate::fixed::twenty(2);
    for run in &mut source.sweep.runs {
        let settings = std::sync::Arc::make_mut(&mut run.settings);
        let heads = settings.remove("model.num_heads").unwrap();
        run.arm = run.arm.replace("num_heads", "ffn_hidden_size");
        settings.insert("model.ffn_hidden_size".to_owned(), heads);
    }
    let mut app = shown(source, Depth::Mono);
    app.screen.open(tab("alarms"));
    let screen = app.text(80, 24);
    assert!(screen.contains("8 0.003 s1"), "{screen}");
    assert!(
        screen.contains("ffn_hidden_size lr"),
        "the keys head the column: {screen}"
    );
    app.screen.open(tab("machine"));
    let screen = app.text(80, 24);
    assert!(screen.contains("ffn_hidden_size=8 lr=0.003 s1"), "{screen}");
}

/// A hundred runs of twenty arms, every tab at three sizes.
#[test]
fn twenty_arms() {
    for tab in tabs(&PANES) {
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            let mut app = shown(crate::fixed::twenty(5), Depth::Mono);
            app.screen.open(tab);
            let name = format!("twenty_{}_{width}x{height}", tab.name());
            insta::assert_snapshot!(name, app.text(width, height));
        }
    }
}

#[test]
fn four_panels_at_a_cursor() {
    let mut app = shown(crate::fixed::twenty(5), Depth::Mono);
    app.screen.open(tab("curves"));
    for line in [
        "signals loss,held_out_loss,grad_norm,lr",
        "filter num_heads=8",
        "curves run",
        "cursor 60",
        "zoom 20 120",
        "band interval",
    ] {
        app.screen.command(line).unwrap();
    }
    insta::assert_snapshot!(app.text(160, 45));
}

#[test]
fn too_small_for_panes() {
    insta::assert_snapshot!(app(6, Depth::Mono).text(38, 6));
}

#[test]
fn nothing_recorded_yet() {
    insta::assert_snapshot!(empty().text(80, 24));
}

/// What the details of a run may show, at 80 × 24 and where facts stand beside them.
#[test]
fn details_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (1..=40)
        .map(|line| format!("step {line} loss 3.1\n"))
        .collect();
    std::fs::write(
        dir.path().join("console.log"),
        lines.concat() + "error: no space left\n",
    )
    .unwrap();
    for what in ["differences", "console"] {
        for (width, height) in [(80, 24), (140, 40)] {
            let source = Fixed {
                directory: Some(dir.path().to_path_buf()),
                ..crate::fixed::twenty(2)
            };
            let mut app = shown(source, Depth::Mono);
            app.screen.open(tab("runs"));
            app.screen.command(&format!("details {what}")).unwrap();
            insta::assert_snapshot!(
                format!("details_{what}_{width}x{height}"),
                app.text(width, height)
            );
        }
    }
}

/// The lines at the bottom: what is typed, with its completion, and with what is wrong; a filter; a question.
#[test]
fn what_is_typed_and_asked() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("run.toml"), "seed = 1\n").unwrap();
    let typed = |text: &str, then: &[KeyCode]| {
        let source = fixed(3, STEPS);
        let mut app = shown(source, Depth::Mono);
        app.text(80, 24);
        for letter in text.chars() {
            press(&mut app, KeyCode::Char(letter));
        }
        for key in then {
            press(&mut app, *key);
        }
        app.text(80, 24)
    };
    insta::assert_snapshot!("line_completed", typed(":al", &[KeyCode::Tab]));
    insta::assert_snapshot!("line_refused", typed(":sort losss", &[KeyCode::Enter]));
    insta::assert_snapshot!("filtered", typed("/norm=post seed<3", &[KeyCode::Enter]));
    let mut app = shown(
        Fixed {
            directory: Some("runs/a run".into()),
            ..fixed(3, STEPS)
        },
        Depth::Mono,
    );
    app.screen.prompt = Some(crate::prompt::Prompt::new(
        crate::prompt::Kind::Start(crate::start::Start::replay(
            Path::new("runs/a run"),
            "post s3",
            122,
        )),
        "",
    ));
    insta::assert_snapshot!("question", app.text(80, 24));
}

#[test]
fn a_run_of_its_own() {
    let mut source = fixed(1, STEPS);
    source.sweep.runs.truncate(1);
    source.records.truncate(1);
    source.sweep.title.clear();
    insta::assert_snapshot!(shown(source, Depth::Mono).text(120, 40));
}

/// The colours of a screen in a terminal of 256: per row where they change, as `column:foreground/background`.
#[test]
fn overview_in_256_colours() {
    let area = Rect::new(0, 0, 140, 40);
    let mut buffer = Buffer::empty(area);
    app(6, Depth::Indexed).draw(area, &mut buffer);
    let name = |colour: Color| match colour {
        Color::Indexed(number) => number.to_string(),
        _ => "-".to_owned(),
    };
    let mut text = String::new();
    for y in 0..area.height {
        let mut last = None;
        let mut row = Vec::new();
        for x in 0..area.width {
            let cell = &buffer[(x, y)];
            let now = (cell.fg, cell.bg);
            if last != Some(now) {
                row.push(format!("{x}:{}/{}", name(cell.fg), name(cell.bg)));
                last = Some(now);
            }
        }
        text.push_str(&row.join(" "));
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

/// Colours that a screen uses.
fn colours(depth: Depth) -> Vec<Color> {
    let mut terminal = Terminal::new(TestBackend::new(140, 40)).unwrap();
    let mut app = app(6, depth);
    terminal
        .draw(|frame| app.draw(frame.area(), frame.buffer_mut()))
        .unwrap();
    let cells = terminal.backend().buffer().content();
    cells.iter().flat_map(|cell| [cell.fg, cell.bg]).collect()
}

#[test]
fn each_depth_keeps_to_its_colours() {
    assert!(
        colours(Depth::True)
            .iter()
            .all(|c| matches!(c, Color::Reset | Color::Rgb(..)))
    );
    assert!(
        colours(Depth::Indexed)
            .iter()
            .all(|c| matches!(c, Color::Reset | Color::Indexed(16..)))
    );
    assert!(colours(Depth::Mono).iter().all(|c| *c == Color::Reset));
    assert!(
        colours(Depth::True)
            .iter()
            .filter(|c| matches!(c, Color::Rgb(..)))
            .count()
            > 500,
        "the heat map is coloured"
    );
}

#[test]
fn a_non_finite_value_is_marked_and_counted() {
    let mut app = app(6, Depth::Mono);
    app.screen.open(tab("curves"));
    let text = app.text(120, 40);
    assert!(text.contains("✕ 31 non-finite"), "{text}");
}

#[test]
fn names_wider_than_their_columns_are_cut_and_wide_letters_keep_the_frame() {
    let mut source = fixed(2, STEPS);
    source.sweep.title = "深度學習的穩定性".repeat(9);
    for run in &mut source.sweep.runs {
        run.arm = format!("訓練\u{1b}[31m{}", "非常長的名稱".repeat(4));
    }
    let text = shown(source, Depth::Mono).text(80, 24);
    assert!(
        !text.contains('\u{1b}'),
        "a control character must not reach the terminal"
    );
    for line in text.lines().skip(3).take(8) {
        assert_eq!(ratatui::text::Line::raw(line).width(), 80, "{line}");
    }
}
