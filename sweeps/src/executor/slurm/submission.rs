//! What was submitted: a file for each array, written before Slurm is asked, so that no job is ever without its runs.

use super::error::SlurmError;
use crate::{Sweep, SweepError};
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The runs of the jobs of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::executor) struct Submission {
    /// Ids of the runs of each job.
    pub(in crate::executor) jobs: Vec<Vec<String>>,
}

impl Sweep {
    /// Folder of what concerns jobs.
    pub(super) fn slurm_folder(&self) -> PathBuf {
        self.dir().join("control").join("slurm")
    }

    fn submission_path(&self, number: u32) -> PathBuf {
        self.slurm_folder().join(format!("{number:04}.json"))
    }

    /// The output of a job.
    pub(super) fn job_log(&self, number: u32, index: usize) -> PathBuf {
        let mut log = self.job_logs(number).into_os_string();
        log.push(format!("-{index}.log"));
        log.into()
    }

    /// What the names of the outputs of an array begin with.
    pub(super) fn job_logs(&self, number: u32) -> PathBuf {
        self.slurm_folder().join(format!("{number:04}"))
    }

    /// The name of all jobs of this sweep, which no other sweep's have.
    pub(super) fn job_name(&self) -> String {
        let dir = self.dir().canonicalize();
        let dir = dir.unwrap_or_else(|_| self.dir().to_owned());
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.registration().created.as_bytes());
        hasher.update(dir.as_os_str().as_bytes());
        let hash = hasher.finalize().to_hex();
        format!("{}-{}", self.plan().card.name, &hash[..12])
    }

    /// Writes down an array that is about to be submitted; its number.
    pub(in crate::executor) fn enter_submission(
        &self,
        submission: &Submission,
    ) -> Result<u32, SweepError> {
        crate::sweep::make_folder(&self.dir().join("control"))?;
        crate::sweep::make_folder(&self.slurm_folder())?;
        let number = (1..u32::MAX)
            .find(|number| !self.submission_path(*number).exists())
            .unwrap_or(u32::MAX);
        logs::write_json_atomic(&self.submission_path(number), submission)?;
        Ok(number)
    }

    /// The runs of a job.
    pub(super) fn runs_of_job(&self, number: u32, index: usize) -> Result<Vec<String>, SweepError> {
        let path = self.submission_path(number);
        let bytes = std::fs::read(&path).map_err(|source| SweepError::Read {
            path: path.clone(),
            source,
        })?;
        let damaged = |error: serde_json::Error| SweepError::Damaged {
            path,
            message: error.to_string(),
        };
        let mut submission: Submission = serde_json::from_slice(&bytes).map_err(damaged)?;
        match submission.jobs.get_mut(index) {
            Some(runs) => Ok(std::mem::take(runs)),
            None => Err(SlurmError::NoJob { number, index }.into()),
        }
    }
}

/// The exit code of a job on a node where it cannot write its log, and say so: that of `sysexits.h` for a file which cannot
/// be made. No code of the program's.
pub(super) const NO_LOG: i32 = 73;

/// The script of a job, whose output goes to `log` with its place in the array. What it needs is looked for before anything
/// is begun: a node may lack what the others have.
pub(super) fn script(log: &Path, needs: &[&Path], task: &[&std::ffi::OsStr]) -> Vec<u8> {
    let mut script =
        b"#!/bin/sh\n# A job of `workbench sweep run --executor slurm`.\nlog=".to_vec();
    script.extend(quoted(log.as_os_str().as_bytes()));
    script.extend_from_slice(b"\"-$SLURM_ARRAY_TASK_ID.log\"\n");
    script.extend_from_slice(
        format!("(: >>\"$log\") 2>/dev/null || exit {NO_LOG}\nexec >>\"$log\" 2>&1\nfor need in")
            .as_bytes(),
    );
    for need in needs {
        script.push(b' ');
        script.extend(quoted(need.as_os_str().as_bytes()));
    }
    script.extend_from_slice(
        b"; do
  if ! [ -e \"$need\" ]; then
    echo \"error: node ${SLURMD_NODENAME:-?} has no \\`$need\\`: program, texts and sweep directory have to be the same files on every node\" >&2
    exit 4
  fi
done
exec",
    );
    for word in task {
        script.push(b' ');
        script.extend(quoted(word.as_bytes()));
    }
    script.extend_from_slice(b" \"$SLURM_ARRAY_TASK_ID\"\n");
    script
}

/// A word as a shell reads it back.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sweep;
    use std::ffi::OsStr;
    use std::process::Command;

    /// The exit code of a job with its log in a folder of that name, and what the log says.
    fn outcome(folder: &OsStr, needs: &[&Path], task: &[&OsStr]) -> (Option<i32>, String) {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        let script = script(&folder.join("0003"), needs, task);
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(OsStr::from_bytes(&script))
            .env("SLURM_ARRAY_TASK_ID", "7");
        let output = command.env("SLURMD_NODENAME", "n2").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(said, b"", "not in the log");
        let log = std::fs::read_to_string(folder.join("0003-7.log"));
        (output.status.code(), log.unwrap())
    }

    #[test]
    fn a_script_passes_odd_words_on_as_they_are() {
        let odd = "it's $HOME `a`\n\"b\"";
        let folder = tempfile::tempdir().unwrap();
        let need = folder.path().join("it's $a need");
        std::fs::write(&need, "").unwrap();
        let task = ["printf", "%s|", odd, "-e"].map(OsStr::new);
        for log in [b"plain".as_slice(), b"back\\slash %j 'q'\n", b"\xfe$x"] {
            let outcome = outcome(OsStr::from_bytes(log), &[&need], &task);
            assert_eq!(outcome, (Some(0), format!("{odd}|-e|7|")), "{log:?}");
        }
    }

    #[test]
    fn a_node_that_lacks_something_says_so_and_does_nothing() {
        let task = ["echo", "begun"].map(OsStr::new);
        let needs = [Path::new("/nonexistent/it's")];
        let (code, said) = outcome("logs".as_ref(), &needs, &task);
        assert_eq!(code, Some(4));
        let expected = "error: node n2 has no `/nonexistent/it's`: ";
        assert!(said.starts_with(expected), "{said}");
        assert!(!said.contains("begun"), "{said}");
        let script = script(Path::new("/nonexistent/log"), &[], &task);
        let mut nowhere = Command::new("sh");
        let output = nowhere.arg("-c").arg(OsStr::from_bytes(&script));
        let output = output.output().unwrap();
        assert_eq!(
            (output.status.code(), output.stdout),
            (Some(NO_LOG), Vec::new())
        );
    }

    #[test]
    fn a_job_finds_its_runs_again() {
        let (_directory, sweep) = sweep();
        let id = |index: usize| sweep.runs()[index].id.clone();
        let submission = Submission {
            jobs: vec![vec![id(0)], vec![id(1), id(2)]],
        };
        assert_eq!(sweep.enter_submission(&submission).unwrap(), 1);
        assert_eq!(sweep.enter_submission(&submission).unwrap(), 2);
        assert_eq!(sweep.runs_of_job(2, 1).unwrap(), [id(1), id(2)]);
        let error = sweep.runs_of_job(2, 2).unwrap_err().to_string();
        assert_eq!(error, "submission 2 of the sweep has no job 2");
        assert!(sweep.runs_of_job(3, 0).is_err());
    }

    #[test]
    fn jobs_of_another_sweep_have_another_name() {
        let ((_a, one), (_b, other)) = (sweep(), sweep());
        assert_ne!(one.job_name(), other.job_name());
        assert_eq!(one.job_name(), one.clone().job_name());
    }
}
