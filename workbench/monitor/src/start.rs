//! Commands of this program that are started from the screen: a replay of a step, and a fork before it. What is shown in the
//! question is what a shell is given, word for word.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// Steps before a step at which a fork begins: as many as those of a replay before they differ.
const LEAD: u64 = 8;

/// Bytes of what a command says that are looked at.
const MOST: u64 = 256 * 1024;

/// A command line that is asked about before it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// What it does: `replay step 122 of post s3`.
    pub(crate) what: String,
    /// For a shell; `workbench` is this program.
    pub(crate) line: String,
    /// Run directory that it makes, which is shown as a branch.
    pub(crate) fork: Option<PathBuf>,
}

impl Start {
    /// The twins of a step.
    pub(crate) fn replay(run: &Path, name: &str, step: u64) -> Self {
        Self {
            what: format!("replay step {step} of {name}"),
            line: format!("workbench replay {} --at {step}", quoted(&path(run))),
            fork: None,
        }
    }

    /// A fork in `out` that begins some steps before a step, under changed keys, and is trained.
    pub(crate) fn fork(run: &Path, name: &str, step: u64, out: &str, keys: &[&str]) -> Self {
        let at = step.saturating_sub(LEAD).max(1);
        let set = keys.iter().map(|key| format!(" --set {}", quoted(key)));
        let (run, target) = (quoted(&path(run)).into_owned(), quoted(out));
        Self {
            what: format!("fork {name} before step {at} and train it"),
            line: format!(
                "workbench fork {run} --at {at}{} --out {target} && workbench train {target}",
                set.collect::<String>()
            ),
            fork: Some(PathBuf::from(out)),
        }
    }

    /// More training of runs that ended early, all in one process, as one of a sweep would do it. Of a sweep the runs that are
    /// named beside it are first no longer left out.
    pub(crate) fn resume(
        runs: &[PathBuf],
        name: &str,
        sweep: Option<(&sweeps::Sweep, Vec<String>)>,
    ) -> Self {
        let mut words = Vec::new();
        let mut train = vec!["workbench train".to_owned()];
        if let Some((sweep, skipped)) = sweep {
            let dir = path(sweep.dir());
            let taken_back = |run: String| {
                let (dir, run) = (quoted(&dir), quoted(&run));
                format!("workbench sweep skip {dir} {run} --undo &&")
            };
            words.extend(skipped.into_iter().map(taken_back));
            let missing = sweep.plan().missing_languages.iter();
            train.extend(missing.map(|name| format!("--missing-language {}", quoted(name))));
        }
        train.extend(runs.iter().map(|run| quoted(&path(run)).into_owned()));
        words.append(&mut train);
        Self {
            what: format!("resume {name}"),
            line: words.join(" "),
            fork: None,
        }
    }

    pub(crate) fn question(&self) -> String {
        format!("{}? {} (y/n, c copies the command)", self.what, self.line)
    }

    /// Starts it beside the screen, as a process group of its own: it goes on when the monitor is left. What came of it comes
    /// through the channel.
    pub(crate) fn start(self, program: PathBuf) -> Receiver<String> {
        let (say, heard) = channel();
        // Nobody hears it once the monitor is left.
        let _ = say.send(format!("started: {}", self.what));
        std::thread::spawn(move || {
            let _ = say.send(match run(&self.line, &program) {
                Ok(done) => format!("{}: {}", self.what, words::printable_line(&done.words())),
                Err(error) => format!("error: {}: {error}", self.what),
            });
        });
        heard
    }
}

/// How a command ended.
struct Done {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Done {
    /// The first line of what it found, or its last error.
    fn words(&self) -> String {
        let first = self.out.lines().find(|line| !line.trim().is_empty());
        let last = sweeps::last_error(&self.err);
        match (self.status.success(), first, last) {
            (true, Some(found), _) => found.to_owned(),
            (true, None, Some(said)) => said,
            (true, None, None) => "done".to_owned(),
            (false, _, Some(why)) => format!("error: {why}"),
            (false, _, None) => format!("error: it ended with {}", self.status),
        }
    }
}

/// What it says goes to files without a name, since a pipe would end it with the monitor.
fn run(line: &str, program: &Path) -> io::Result<Done> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let script = format!("workbench() {{ \"$WORKBENCH_PROGRAM\" \"$@\"; }}; {line}");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .env("WORKBENCH_PROGRAM", program)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let status = command.spawn()?.wait()?;
    Ok(Done {
        status,
        out: text(&mut out)?,
        err: text(&mut err)?,
    })
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path that no option can be mistaken for.
fn path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-') {
        format!("./{text}")
    } else {
        text
    }
}

fn quoted(text: &str) -> Cow<'_, str> {
    shlex::try_quote(text).unwrap_or(Cow::Borrowed("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_odd_paths_and_keys_as_words() {
        let replay = Start::replay(Path::new("-runs/a b"), "post s3", 122);
        assert_eq!(replay.line, "workbench replay './-runs/a b' --at 122");
        let fork = Start::fork(Path::new("r"), "post s3", 5, "it's", &["optimizer.lr=1e-3"]);
        let words = "workbench fork r --at 1 --set 'optimizer.lr=1e-3' --out \"it's\" && workbench train \"it's\"";
        assert_eq!(fork.line, words);
        assert_eq!(fork.fork, Some(PathBuf::from("it's")));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_command_found_or_what_was_wrong_is_heard() {
        let said = |line: &str| {
            let start = Start {
                what: "it".to_owned(),
                line: line.to_owned(),
                fork: None,
            };
            start.start(PathBuf::from("echo")).iter().last().unwrap()
        };
        assert_eq!(said("workbench 'a  b'"), "it: a  b");
        assert_eq!(said("workbench x >&2; false"), "it: error: x");
        assert_eq!(
            said("echo error: no checkpoint >&2; exit 2"),
            "it: error: no checkpoint"
        );
        assert_eq!(said("exit 3"), "it: error: it ended with exit status: 3");
        assert_eq!(said("true"), "it: done");
    }
}
