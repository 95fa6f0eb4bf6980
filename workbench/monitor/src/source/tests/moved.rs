//! Files and directories that are replaced or moved under an open screen.

use super::*;
use crate::app::App;
use crate::panes::PANES;

fn app(dir: &Path) -> App {
    let mut app = App::new(open(&[dir], &[]).unwrap(), &PANES, crate::Depth::Mono);
    app.text(120, 40);
    app
}

/// As by a log rotation: another file has the name, and goes on where the first one ended. What was read stays.
#[test]
fn a_metrics_file_that_is_rotated_is_read_anew_behind_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_of(&path, None, 30);
    let mut app = app(&path);
    assert_eq!(app.screen.shared.run(0).unwrap().step, 30);
    let other = dir.path().join("other");
    run_of(&other, Some(30), 33);
    let name = "metrics-0001.jsonl";
    std::fs::rename(path.join(name), path.join("metrics-0001.jsonl.1")).unwrap();
    app.poll().unwrap();
    app.text(120, 40);
    std::fs::rename(other.join(name), path.join(name)).unwrap();
    app.poll().unwrap();
    let screen = app.text(120, 40);
    assert!(screen.contains("! metrics-0001.jsonl: beca"), "{screen}");
    assert_eq!(app.screen.shared.run(0).unwrap().step, 33);
    assert_eq!(app.screen.shared.losses(0).len(), 33);
}

/// What was read stays as long as there is nothing to be read, and the screen goes on when the sweep is back.
#[test]
fn a_sweep_that_is_moved_away_and_back_takes_nothing_down() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("s");
    let sweep = sweep(&place);
    let run = sweep.runs()[0].id.clone();
    run_of(&sweep.run_dir(&run), None, 5);
    let mut app = app(&place);
    let moved = dir.path().join("moved");
    std::fs::rename(&place, &moved).unwrap();
    for key in ["2", "5", "8", "1"] {
        app.poll().unwrap();
        app.screen.press(crate::keys::named(key).unwrap());
        app.text(120, 40);
    }
    let asked = app.screen.command("skip run");
    if asked.is_ok() {
        app.screen.press(crate::keys::letter('y'));
        for _ in 0..100 {
            if app.screen.hear() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    assert!(!place.exists(), "nothing is made in the old place");
    std::fs::rename(&moved, &place).unwrap();
    run_of(&place.join("runs").join(&run), None, 9);
    app.poll().unwrap();
    app.text(120, 40);
    assert!(app.screen.shared.run(0).unwrap().step >= 5);
}
