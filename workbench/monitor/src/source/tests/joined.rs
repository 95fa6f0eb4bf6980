//! Several paths in the same screens.

use super::*;
use crate::app::App;
use crate::keys::letter;
use crate::panes::{PANES, Tab};

fn app(paths: &[&Path]) -> App {
    let mut app = App::new(open(paths, &[]).unwrap(), &PANES, crate::Depth::Mono);
    app.screen.paths = paths.iter().map(|path| path.to_path_buf()).collect();
    app.text(120, 40);
    app
}

/// Runs of two folders and a sweep, in which one run has begun.
struct Made {
    dir: tempfile::TempDir,
    sweep: Sweep,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        run_of(&dir.path().join("fp16/seed-1"), None, 6);
        run_of(&dir.path().join("bf16/seed-1"), None, 4);
        let sweep = sweep(&dir.path().join("norms"));
        run_of(&sweep.run_dir(&sweep.runs()[0].id), None, 5);
        Self { dir, sweep }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Two runs are told apart by what their paths do not share, on every screen.
#[test]
fn two_runs_are_overlaid_under_what_sets_their_paths_apart() {
    let made = Made::new();
    let (a, b) = (made.path("fp16/seed-1"), made.path("bf16/seed-1"));
    let mut app = app(&[&a, &b]);
    insta::assert_snapshot!("two_runs_overview", app.text(120, 40));
    app.screen.open(Tab::named("curves").unwrap());
    insta::assert_snapshot!("two_runs_curves", app.text(80, 24));
    app.screen.open(Tab::named("outcomes").unwrap());
    let text = app.text(120, 30);
    assert!(text.contains("counts the runs of one sweep"), "{text}");
    app.screen.open(Tab::named("dose").unwrap());
    assert!(app.text(120, 30).contains("counts the runs of one sweep"));
    app.screen.command("run bf16").unwrap();
    let details = app.screen.shared.details();
    let path = ("path".to_owned(), b.display().to_string());
    assert_eq!(details.facts[0], path, "the whole path is told as well");
    let copied = app.screen.as_command();
    let begins = format!("workbench monitor {} {} ", a.display(), b.display());
    assert!(copied.starts_with(&begins), "{copied}");
}

/// A sweep keeps its axes, and the path is one more: its runs are filtered and grouped by it.
#[test]
fn a_sweep_and_a_run_are_shown_together_and_the_path_is_an_axis() {
    let made = Made::new();
    let (norms, run) = (made.path("norms"), made.path("fp16/seed-1"));
    let mut app = app(&[&norms, &run]);
    insta::assert_snapshot!("a_sweep_and_a_run", app.text(120, 40));
    let ids: std::collections::BTreeSet<String> = {
        let runs = app.screen.shared.sweep().runs.iter();
        runs.map(|run| run.id.clone()).collect()
    };
    assert_eq!(ids.len(), 9, "every run has a name of its own");
    app.screen.command("filter path=norms").unwrap();
    let shown = |app: &App| {
        let shared = &app.screen.shared;
        shared.runs().filter(|run| shared.is_shown(*run)).count()
    };
    assert_eq!(shown(&app), 8);
    app.screen.command("filter norm=post").unwrap();
    assert_eq!(shown(&app), 4);
    app.screen.command("filter").unwrap();
    app.screen.command("group path").unwrap();
    assert_eq!(app.screen.shared.groups.looks.arms.len(), 2);
}

/// Each of several directories is read on as it grows.
#[test]
fn what_is_new_in_any_of_them_is_seen() {
    let made = Made::new();
    let (norms, run) = (made.path("norms"), made.path("fp16/seed-1"));
    let mut app = app(&[&norms, &run]);
    assert!(!app.poll().unwrap().changed, "nothing happened");
    let mut writer = RunWriter::open(&run).unwrap();
    writer.step(&record(7)).unwrap();
    assert!(app.poll().unwrap().changed);
    assert_eq!(app.screen.shared.run(8).unwrap().step, 7);
    run_of(&made.sweep.run_dir(&made.sweep.runs()[3].id), None, 2);
    assert!(app.poll().unwrap().changed);
    assert_eq!(app.screen.shared.run(3).unwrap().step, 2);
}

/// A directory that becomes something else takes nothing else down, and is told.
#[test]
fn what_becomes_of_one_of_them_is_a_warning() {
    let made = Made::new();
    let (a, b) = (made.path("fp16/seed-1"), made.path("bf16/seed-1"));
    let mut app = app(&[&a, &b]);
    std::fs::remove_dir_all(&a).unwrap();
    std::fs::write(&a, "").unwrap();
    assert!(app.poll().unwrap().changed);
    assert!(!app.poll().unwrap().changed, "it is told once");
    let warnings = &app.screen.shared.sweep().warnings;
    assert!(warnings[0].starts_with("fp16: "), "{warnings:?}");
    run_of(&b, None, 6);
    assert!(app.poll().unwrap().changed, "the other one is read on");
    std::fs::remove_file(&a).unwrap();
    run_of(&a, None, 3);
    app.poll().unwrap();
    let warnings = &app.screen.shared.sweep().warnings;
    assert!(
        !warnings.iter().any(|text| text.contains("is a file")),
        "{warnings:?}"
    );
}

/// Two sweeps of one card have runs of the same names: what is asked of one goes to its sweep, which the question names; a run
/// of no sweep is refused.
#[test]
fn what_is_asked_of_a_run_goes_to_its_own_sweep() {
    let made = Made::new();
    let again = sweep(&made.path("again"));
    let (norms, run) = (made.path("norms"), made.path("fp16/seed-1"));
    let mut app = app(&[&norms, again.dir(), &run]);
    let id = again.runs()[2].id.clone();
    app.screen.command(&format!("run again/{id}")).unwrap();
    app.screen.command("skip run").unwrap();
    let question = app.text(200, 40);
    let asked = format!("skip {id} of {}?", again.dir().display());
    assert!(question.contains(&asked), "{question}");
    app.screen.press(letter('y'));
    for _ in 0..1000 {
        app.screen.hear();
        if app.screen.note.starts_with("skipped") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(again.requested(&id, sweeps::Request::Skip));
    assert!(!made.sweep.requested(&id, sweeps::Request::Skip));
    app.screen.command("run fp16").unwrap();
    let refused = app.screen.command("stop run").unwrap_err();
    assert!(refused.contains("without a sweep"), "{refused}");
}

/// What would be shown twice, or is nothing that can be shown, is refused by its name.
#[test]
fn paths_that_cannot_stand_side_by_side_are_named() {
    let made = Made::new();
    let run = made.path("fp16/seed-1");
    let refused = |paths: &[&Path]| open(paths, &[]).err().unwrap().to_string();
    let twice = refused(&[&run, &run]);
    assert!(twice.contains("seed-1` is there twice"), "{twice}");
    let same = refused(&[&run, &made.path("fp16/../fp16/seed-1")]);
    assert!(same.contains("is the same directory as"), "{same}");
    let inner = made.sweep.run_dir(&made.sweep.runs()[0].id);
    let within = refused(&[&inner, made.sweep.dir()]);
    assert!(within.contains("lies in"), "{within}");
    let nothing = refused(&[&run, &made.path("fp16/none")]);
    assert!(nothing.contains("fp16/none`"), "{nothing}");
}
