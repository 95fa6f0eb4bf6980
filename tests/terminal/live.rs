//! A sweep that is being trained, driven from the screen.

use super::*;

/// A process that ends with the test, and takes the runs along that it trains.
struct Executor(Child);

impl Drop for Executor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sweep whose four runs are all trained until they are stopped.
fn live(scratch: &Scratch) -> Executor {
    let card = support::studio::CARD.replace("base.toml", "long.toml");
    let base = std::fs::read_to_string(scratch.join("base.toml")).unwrap();
    scratch.write(
        "long.toml",
        &base.replace("steps = 20\n", "steps = 200000\n"),
    );
    scratch.write("long-card.toml", &card);
    let arguments = [
        "sweep",
        "run",
        "long-card.toml",
        "--out",
        "live",
        "--workers",
        "4",
    ];
    let mut command = scratch.workbench(&arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Executor(command.spawn().unwrap())
}

/// How the runs of a sweep stand, by `sweep status --json`; none before there is a sweep.
fn states(scratch: &Scratch, sweep: &str) -> Vec<(String, String, String)> {
    let output = scratch.run(&["sweep", "status", sweep, "--json"]);
    if !output.status.success() {
        return Vec::new();
    }
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = status["runs"].as_array().unwrap().iter();
    let text = |run: &serde_json::Value, key: &str| run[key].as_str().unwrap().to_owned();
    runs.map(|run| (text(run, "id"), text(run, "arm"), text(run, "state")))
        .collect()
}

fn until_states(
    scratch: &Scratch,
    what: &str,
    holds: impl Fn(&[(String, String, String)]) -> bool,
) {
    let begun = Instant::now();
    loop {
        let states = states(scratch, "live");
        if !states.is_empty() && holds(&states) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "{what}: {states:?}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Asks something of a run, or of its arm, in the open monitor, and says yes. The monitor may not have seen yet how the run
/// stands; then there is nothing to ask, and it is tried again.
fn ask(terminal: &Terminal, run: &str, command: &str, question: &str) {
    let begun = Instant::now();
    loop {
        terminal.press(&["C-u", "BSpace"]);
        terminal.line(&format!(":run {run}"));
        terminal.line(&format!(":{command}"));
        for _ in 0..20 {
            if terminal.screen().contains(question) {
                terminal.press(&["y"]);
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let screen = terminal.screen();
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "no `{question}` in\n{screen}"
        );
    }
}

/// Every key on every tab while something trains; a run is stopped from the screen and goes on from there, an arm is left out
/// and taken back, with their executor at work; without one, a run is trained and stopped from the screen alone.
#[test]
fn a_sweep_that_is_trained_is_driven_through_every_key_and_its_runs_are_stopped_and_go_on() {
    let scratch = studio("terminal-live");
    let Some(terminal) = Terminal::open(&scratch) else {
        return;
    };
    let mut executor = live(&scratch);
    let all = |wanted: &'static str| {
        move |states: &[(String, String, String)]| states.iter().all(|(.., own)| own == wanted)
    };
    until_states(&scratch, "not all are trained", all("running"));
    terminal.monitor("live --do \"follow on\"");
    for tab in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        terminal.press(&[tab]);
        terminal.press_every_key();
    }
    until_states(&scratch, "a key ended a run unasked", all("running"));
    terminal.line(":tab runs");
    terminal.line(":filter");
    let (first, arm, _) = states(&scratch, "live")[0].clone();
    let is = |wanted: &'static str| {
        let id = first.clone();
        move |states: &[(String, String, String)]| {
            let mut own = states.iter().filter(|(own, ..)| *own == id);
            own.all(|(.., state)| state == wanted)
        }
    };
    ask(&terminal, &first, "stop run", "its state is saved");
    until_states(&scratch, "not stopped", is("stopped"));
    terminal.until(&format!("stopped {first}"));
    ask(&terminal, &first, "resume run", "the executor at work");
    until_states(&scratch, "does not go on", all("running"));
    ask(&terminal, &first, "skip arm", "left out until");
    until_states(&scratch, "the arm is not skipped", |states| {
        let skipped = |(_, own, state): &(String, String, String)| {
            (*own == arm) == (state == "skipped") && (*own == arm || state == "running")
        };
        states.iter().all(skipped)
    });
    // The monitor may have seen one of the two left out, and asks for that one alone.
    let is_skipped = |(.., state): &(String, String, String)| state == "skipped";
    while states(&scratch, "live").iter().any(is_skipped) {
        ask(&terminal, &first, "resume arm", "the executor at work");
        std::thread::sleep(Duration::from_secs(2));
    }
    until_states(&scratch, "the arm is still skipped", all("running"));
    assert!(scratch.run(&["sweep", "stop", "live"]).status.success());
    executor.0.wait().unwrap();
    until_states(&scratch, "not stopped", all("stopped"));
    ask(&terminal, &first, "resume run", "workbench train");
    until_states(&scratch, "is not trained", is("running"));
    ask(&terminal, &first, "stop run", "its state is saved");
    until_states(&scratch, "not stopped", is("stopped"));
    terminal.press(&["q"]);
    terminal.assert_given_back("code=0");
}
