//! The monitor in a real terminal (tmux): it opens, follows the size, does what keys ask for, and gives the terminal back however
//! it ends. Skipped where there is no tmux.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "terminal/live.rs"]
mod live;
mod support;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use support::Scratch;
use support::studio::studio;

/// A terminal that nobody looks at, with a server of its own, which ends with the test.
struct Terminal<'a> {
    scratch: &'a Scratch,
}

impl<'a> Terminal<'a> {
    /// None where there is no tmux.
    fn open(scratch: &'a Scratch) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: there is no `tmux` to make a terminal");
            return None;
        }
        let terminal = Self { scratch };
        let size = ["-x", "120", "-y", "40"];
        let new = ["-f", "/dev/null", "new-session", "-d"];
        // The shell waits for lines and prints nothing but what it is told to.
        let shell = ["env", "PS1=$ ", "ENV=", "sh"];
        let made = terminal.tmux(&[&new[..], &size[..], &shell[..]].concat());
        assert!(made.status.success(), "{}", support::stderr(&made));
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let socket = self.scratch.join("tmux.socket");
        Command::new("tmux")
            .arg("-S")
            .arg(socket)
            .args(arguments)
            .current_dir(&self.scratch.0)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("XDG_CONFIG_HOME", &self.scratch.0)
            .env_remove("TMUX")
            .output()
            .unwrap()
    }

    fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Every key of the monitor's tables, with what ends the line or the question that it begins.
    fn press_every_key(&self) {
        for key in keys() {
            self.press(&[&key]);
            match &*key {
                // No escape: what comes soon behind it is taken for a key with Alt.
                "/" | ":" => self.press(&["x", "Tab", "C-u", "BSpace"]),
                "?" => self.press(&["Down", "?"]),
                "S" | "R" => self.press(&["n"]),
                _ => {}
            }
        }
    }

    fn screen(&self) -> String {
        support::stdout(&self.tmux(&["capture-pane", "-p"]))
    }

    /// The screen once it holds a text.
    fn until(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "no `{text}` in\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts the monitor, and waits until it is shown.
    fn monitor(&self, arguments: &str) {
        let program = env!("CARGO_BIN_EXE_workbench");
        self.start(&format!("{program} monitor {arguments}"));
        self.until("1 Overview");
    }

    /// Starts a command; behind it stand its exit code and what the terminal is set to.
    fn start(&self, command: &str) {
        self.line(&format!(
            "clear; sh -c 'echo $$ > pid; exec {command}'; echo code=$?; stty -a"
        ));
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.scratch.join("pid")).unwrap();
        let sent = Command::new("kill")
            .args([name, pid.trim()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// What the terminal is set to: the screen behind the other one, mouse, cursor; lines and echo.
    fn assert_given_back(&self, code: &str) {
        let screen = self.until("extproc");
        assert!(screen.contains(code), "{screen}");
        assert!(
            !screen.contains("1 Overview"),
            "the first screen is back: {screen}"
        );
        let settings: Vec<&str> = screen.split_whitespace().collect();
        for setting in ["icanon", "echo", "isig", "opost"] {
            assert!(settings.contains(&setting), "`{setting}` in {screen}");
        }
        let modes = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
        let modes = support::stdout(&self.tmux(&["display", "-p", modes]));
        assert_eq!(modes.trim(), "0 0 1");
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// The keys of the monitor's own tables, as tmux names them; without those that leave, and the digits of the tabs.
fn keys() -> Vec<String> {
    let tables = workbench_monitor::keys_markdown();
    let labels = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let names = labels.flat_map(|(label, _)| label.split(' '));
    let keys: Vec<String> = names.filter_map(tmux_key).collect();
    assert!(keys.len() > 60, "{keys:?}");
    for key in ["Y", "/", "=", "J", "C-d"] {
        assert!(keys.iter().any(|known| known == key), "`{key}` in {keys:?}");
    }
    keys
}

fn tmux_key(label: &str) -> Option<String> {
    let named = [
        ("space", "Space"),
        ("↓", "Down"),
        ("↑", "Up"),
        ("→", "Right"),
        ("←", "Left"),
        ("pgdn", "PgDn"),
        ("pgup", "PgUp"),
        ("home", "Home"),
        ("end", "End"),
        ("tab", "Tab"),
        ("shift-tab", "BTab"),
        ("enter", "Enter"),
        ("esc", "Escape"),
        (";", "\\;"),
    ];
    let known = named.iter().find(|(name, _)| *name == label);
    if let Some((_, key)) = known {
        return Some((*key).to_owned());
    }
    if label == "q" || label == "ctrl-c" || label.parse::<u8>().is_ok_and(|digit| digit > 0) {
        return None;
    }
    Some(match label.strip_prefix("ctrl-") {
        Some(letter) => format!("C-{letter}"),
        None => label.to_owned(),
    })
}

#[test]
fn a_terminal_is_given_back_however_the_monitor_ends() {
    let scratch = studio("terminal-ends");
    let Some(terminal) = Terminal::open(&scratch) else {
        return;
    };
    terminal.monitor("sweep");
    terminal.press(&["q"]);
    terminal.assert_given_back("code=0");
    terminal.monitor("sweep --tab curves");
    terminal.press(&["C-c"]);
    terminal.assert_given_back("code=3");
    for signal in ["-TERM", "-HUP", "-INT", "-QUIT"] {
        terminal.monitor("sweep");
        terminal.signal(signal);
        terminal.assert_given_back("code=3");
    }
    // Its directory taken away under it.
    terminal.monitor("run");
    std::fs::rename(scratch.join("run"), scratch.join("moved")).unwrap();
    terminal.press(&["q"]);
    terminal.until("code=");
    std::fs::rename(scratch.join("moved"), scratch.join("run")).unwrap();
}

#[test]
fn the_screen_follows_the_size_and_every_key_is_taken_on_every_tab() {
    let scratch = studio("terminal-keys");
    let Some(terminal) = Terminal::open(&scratch) else {
        return;
    };
    terminal.monitor("sweep");
    for (width, height, shown) in [
        ("80", "24", " 8 Machine"),
        ("40", "8", "sweep"),
        ("200", "60", "Layers · "),
        ("120", "40", "? help"),
    ] {
        terminal.tmux(&["resize-window", "-x", width, "-y", height]);
        if shown != "sweep" {
            let screen = terminal.until(shown);
            let widest = screen.lines().map(|line| line.chars().count()).max();
            assert!(widest <= width.parse().ok(), "{screen}");
        }
    }
    for tab in ["1", "2", "3", "4", "5", "6", "7", "8"] {
        terminal.press(&[tab]);
        terminal.press_every_key();
    }
    terminal.until("? help");
    terminal.press(&["C-u", "BSpace"]);
    terminal.line(":tab machine");
    terminal.until("processors ");
    terminal.line(":export view.svg");
    terminal.until("wrote view.svg");
    assert!(Path::new(&scratch.join("view.svg")).exists());
    terminal.press(&["q"]);
    terminal.assert_given_back("code=0");
}

/// Where the process of the test below is told what is to panic.
const PANICS: &str = "WORKBENCH_TEST_PANICS";

/// The monitor as the program shows it, and a panic in its loop, or in a thread beside it. Nothing in the program panics when it
/// is asked to, so this test is the program, in a process that the test below starts; by itself it does nothing.
#[test]
fn a_monitor_that_panics() {
    let Ok(whose) = std::env::var(PANICS) else {
        return;
    };
    // Seen by whoever looks at the screen, however slow the machine is.
    let shown_for = Duration::from_secs(2);
    let beside = move || {
        std::thread::sleep(shown_for);
        panic!("planted beside the loop");
    };
    let drawn = OnceLock::new();
    let stop = || {
        let drawn = drawn.get_or_init(|| {
            if whose == "thread" {
                std::thread::spawn(beside);
            }
            Instant::now()
        });
        let early = whose != "loop" || drawn.elapsed() < shown_for;
        assert!(early, "planted in the loop");
        false
    };
    let sweep = Path::new("sweep");
    let exit = workbench_monitor::run_with(sweep, workbench_monitor::Options::default(), &stop);
    assert_eq!(exit.unwrap(), workbench_monitor::Exit::Stopped);
}

/// The message stands on the first screen, where it can be read, and the shell behind it takes lines again.
#[test]
fn a_terminal_is_given_back_by_a_panic_and_its_message_can_be_read() {
    let scratch = studio("terminal-panics");
    let Some(terminal) = Terminal::open(&scratch) else {
        return;
    };
    let own = std::env::current_exe().unwrap();
    let own = own.display();
    for (whose, message, code) in [
        ("loop", "planted in the loop", "code=101"),
        ("thread", "planted beside the loop", "code=0"),
    ] {
        terminal.start(&format!(
            "env RUST_BACKTRACE=0 {PANICS}={whose} {own} --exact a_monitor_that_panics --nocapture"
        ));
        terminal.until("1 Overview");
        terminal.assert_given_back(code);
        let screen = terminal.screen();
        assert!(screen.contains(message), "{screen}");
    }
}

/// What is started from the screen goes on without it.
#[test]
fn a_replay_that_was_started_from_the_screen_outlives_it() {
    let scratch = studio("terminal-replay");
    let Some(terminal) = Terminal::open(&scratch) else {
        return;
    };
    terminal.monitor("run");
    terminal.line(":replay 10");
    let screen = terminal.until("(y/n, c copies the");
    assert!(screen.contains("workbench replay run --at 10"), "{screen}");
    terminal.press(&["y"]);
    terminal.until("started: replay step 10");
    terminal.press(&["q"]);
    terminal.until("code=0");
    let begun = Instant::now();
    while !scratch
        .join("run/replays/step-00000010/replay.json")
        .exists()
    {
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "the replay did not end"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn keys_and_colours_are_those_of_the_users_file_and_a_wrong_one_is_refused() {
    let scratch = studio("terminal-settings");
    std::fs::create_dir_all(scratch.join("workbench")).unwrap();
    let file = scratch.write(
        "workbench/monitor.toml",
        "[keys.everywhere]\nq = \"Q\"\n[colours]\naccent = \"#ff0000\"\n",
    );
    let snapshot = |arguments: &[&str]| {
        let mut command =
            scratch.workbench(&[&["monitor", "sweep", "--snapshot"], arguments].concat());
        command.env("XDG_CONFIG_HOME", &scratch.0).output().unwrap()
    };
    let screen = support::stdout(&snapshot(&[]));
    assert!(screen.contains("Q leave"), "{screen}");
    std::fs::write(&file, "[keys.curvs]\ny = \"l\"\n").unwrap();
    let refused = snapshot(&[]);
    assert_eq!(refused.status.code(), Some(2));
    let said = support::stderr(&refused);
    assert!(
        said.contains("monitor.toml") && said.contains("did you mean `curves`?"),
        "{said}"
    );
    std::fs::write(scratch.join("own.toml"), "").unwrap();
    assert!(support::stdout(&snapshot(&["--settings", "own.toml"])).contains("q leave"));
}
