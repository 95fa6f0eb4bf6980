//! What the end of a job means for its runs.

use super::Session;
use crate::executor::process::last_error;
use crate::executor::progress::Progress;
use crate::executor::slurm::commands;
use crate::executor::slurm::error::SlurmError;
use crate::executor::slurm::jobs::{Fate, Job};
use crate::reader::State;
use crate::{Request, SweepError};

/// Jobs in a row that take a run no step further before it is given up.
const ENOUGH: usize = 3;

impl Session<'_> {
    /// Takes leave of jobs that Slurm does not list any more.
    pub(super) fn reap(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SweepError> {
        for job in std::mem::take(&mut self.jobs) {
            if !job.is_gone {
                self.jobs.push(job);
                continue;
            }
            match commands::ended(&job.name()) {
                // One that Slurm remembers nothing of and that never ran did not end by itself.
                Ok(None) if !job.has_begun && job.is_pending() => {
                    self.conclude(&job, Fate::Cancelled, progress)?;
                }
                Ok(ended) => self.conclude(&job, Fate::of(ended, self.sweep.dir()), progress)?,
                Err(error) => {
                    self.tell(format!("{error}; trying again"), progress);
                    self.jobs.push(job);
                }
            }
        }
        Ok(())
    }

    fn conclude(
        &mut self,
        job: &Job,
        fate: Fate,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        let fate = match fate {
            Fate::Fault { node, problem } => Fate::Fault {
                problem: self.last_words(job).unwrap_or(problem),
                node,
            },
            Fate::Done { node } => {
                if self.nodes.worked(&node) {
                    self.sweep.keep_nodes(&self.nodes)?;
                }
                Fate::Done { node }
            }
            Fate::Cancelled | Fate::CutShort(_) => fate,
        };
        for (index, steps) in &job.runs {
            let news = self.conclude_run(*index, *steps, job, &fate)?;
            progress(news);
        }
        match fate {
            Fate::Fault { node, problem } => self.blame(&node, &problem, progress),
            Fate::Done { .. } | Fate::Cancelled | Fate::CutShort(_) => Ok(()),
        }
    }

    fn conclude_run(
        &mut self,
        index: usize,
        steps: u64,
        job: &Job,
        fate: &Fate,
    ) -> Result<Progress, SweepError> {
        let run = self.reader.states()[index].clone();
        let id = run.id.clone();
        match run.state {
            State::Finished | State::Failed => return Ok(Progress::ended(&run)),
            // A node that Slurm lost may go on, and its run is not to be touched before it has ended.
            State::Running => {
                self.others.push(index);
                return Ok(Progress::Elsewhere { id });
            }
            State::Pending | State::Interrupted | State::Stopped | State::Skipped => {}
        }
        let asked = self.is_asked_for(index);
        self.sweep.withdraw(&id, Request::Stop)?;
        let stopped = |message: Option<String>| Progress::Stopped {
            id: id.clone(),
            message,
        };
        Ok(match fate {
            _ if asked || job.asked.is_some() => stopped(None),
            Fate::Cancelled if job.cancelled => self.again(index, steps, "its job was cancelled"),
            Fate::Cancelled => stopped(Some("its job was cancelled".to_owned())),
            Fate::Done { .. } if run.state == State::Stopped => stopped(run.message),
            Fate::Done { .. } => self.again(index, steps, "its job ended without it"),
            Fate::CutShort(why) => self.again(index, steps, why),
            // What a node does to its jobs is not held against the runs.
            Fate::Fault { problem, .. } => {
                self.queue.push(index);
                Progress::Interrupted {
                    id,
                    message: problem.clone(),
                }
            }
        })
    }

    /// A run goes on in another job, unless jobs take it nowhere.
    fn again(&mut self, index: usize, steps: u64, why: &str) -> Progress {
        let id = self.id(index);
        let idle = self.idle.entry(index).or_default();
        *idle = if self.reader.states()[index].step > steps {
            0
        } else {
            *idle + 1
        };
        if *idle >= ENOUGH {
            self.failed.push(index);
            return Progress::Failed {
                id,
                message: format!(
                    "{ENOUGH} jobs in a row took it no step further, the last one because {why}; a longer `--time` may help"
                ),
            };
        }
        self.queue.push(index);
        Progress::Interrupted {
            id,
            message: format!("{why}; it goes on in another job"),
        }
    }

    /// Says which nodes an executor before gave no more jobs, and what to do about it.
    pub(super) fn tell_of_nodes(&self, progress: &mut dyn FnMut(Progress)) {
        let file = self.sweep.nodes_path();
        for (node, problem) in self.nodes.problems() {
            let message = format!(
                "still no jobs on node {node}: {problem}; if that is mended, remove `{}`",
                file.display()
            );
            progress(Progress::Note { message });
        }
    }

    /// Holds a failure against a node.
    fn blame(
        &mut self,
        node: &str,
        problem: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        if node.is_empty() {
            return Ok(());
        }
        let is_enough = self.nodes.failed(node, problem);
        self.sweep.keep_nodes(&self.nodes)?;
        if !is_enough {
            return Ok(());
        }
        self.tell(format!("no more jobs on node {node}: {problem}"), progress);
        let partition = self.executor.options.partition.as_deref();
        let all = commands::nodes(partition)?;
        if all.iter().all(|node| self.nodes.is_avoided(node)) {
            // The next command tries them all again.
            self.sweep.forget_nodes();
            return Err(SlurmError::NoNode {
                nodes: all.join(", "),
                problem: problem.to_owned(),
            }
            .into());
        }
        let mut arrays: Vec<&String> = self.jobs.iter().map(|job| &job.array).collect();
        arrays.sort();
        arrays.dedup();
        let avoided = self.nodes.avoided();
        for array in arrays {
            commands::avoid(array, &avoided)?;
        }
        Ok(())
    }

    /// What a job complained about last.
    fn last_words(&self, job: &Job) -> Option<String> {
        let log = self.sweep.job_log(job.place.0, job.place.1);
        let text = std::fs::read(log).ok()?;
        let text = String::from_utf8_lossy(&text);
        text.contains("error: ")
            .then(|| last_error(&text))
            .flatten()
    }
}
