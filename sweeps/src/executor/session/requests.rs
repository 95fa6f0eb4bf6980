//! What is asked of an executor while it works, and the runs that other processes train.

use super::Session;
use crate::executor::others::{Contact, is_held};
use crate::executor::process::Process;
use crate::executor::progress::Progress;
use crate::reader::State;
use crate::{Request, SweepError};

impl Session<'_> {
    /// Whether somebody wants a single run to end.
    pub(super) fn is_asked_for(&self, index: usize) -> bool {
        let id = &self.sweep.runs()[index].id;
        let requests = [Request::Stop, Request::Skip];
        requests.into_iter().any(|r| self.sweep.requested(id, r))
    }

    /// Requests about single runs that an executor before this one has left open. That executor, not
    /// this one, was asked to stop them; what is to be skipped stays skipped.
    pub(super) fn forget_requests(&self) -> Result<(), SweepError> {
        let mut runs = self.sweep.runs().iter();
        runs.try_for_each(|run| self.sweep.withdraw(&run.id, Request::Stop))
    }

    /// Requests about single runs.
    pub(super) fn honour_requests(
        &mut self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        for mut process in std::mem::take(&mut self.processes) {
            if process.runs.iter().any(|run| self.is_asked_for(run.index)) {
                process.stop();
            }
            self.processes.push(process);
        }
        for index in self.others.clone() {
            let asked = self.is_asked_for(index);
            if asked && matches!(self.ask(index, progress), Contact::OutOfReach(_)) {
                self.sweep.withdraw(&self.id(index), Request::Stop)?;
            }
        }
        for index in std::mem::take(&mut self.queue) {
            let id = &self.sweep.runs()[index].id;
            let stop = self.sweep.requested(id, Request::Stop);
            if stop {
                self.sweep.withdraw(id, Request::Stop)?;
            }
            if stop || self.sweep.requested(id, Request::Skip) {
                progress(Progress::Stopped {
                    id: id.clone(),
                    message: None,
                });
            } else {
                self.queue.push_back(index);
            }
        }
        Ok(())
    }

    /// Asks another process to end that trains a run; says once where it cannot be asked.
    fn ask(&mut self, index: usize, progress: &mut dyn FnMut(Progress)) -> Contact {
        let contact = self.asked.stop(&self.directory(index));
        if let Contact::OutOfReach(process) = &contact
            && !self.out_of_reach.contains(&index)
        {
            self.out_of_reach.push(index);
            progress(Progress::OutOfReach {
                id: self.id(index),
                process: process.clone(),
            });
        }
        contact
    }

    /// Runs of other processes: waits for them, and takes over what they leave unfinished.
    pub(super) fn look_after_others(&mut self, progress: &mut dyn FnMut(Progress)) {
        for index in std::mem::take(&mut self.others) {
            let run = &self.reader.states()[index];
            match run.state {
                State::Running => self.others.push(index),
                State::Stopped if is_held(&self.directory(index)) => self.others.push(index),
                // Whether it was this run that somebody wanted to end, its requests say.
                State::Pending | State::Interrupted | State::Stopped | State::Skipped => {
                    self.queue.push_front(index);
                }
                State::Finished => progress(Progress::Finished {
                    id: run.id.clone(),
                    outcome: run.outcome(),
                }),
                State::Failed => progress(Progress::Failed {
                    id: run.id.clone(),
                    message: run.message.clone().unwrap_or_default(),
                }),
            }
        }
    }

    /// Makes every process that trains a run of the sweep save its state and end.
    pub(super) fn stop_everything(&mut self, progress: &mut dyn FnMut(Progress)) {
        self.processes.iter_mut().for_each(Process::stop);
        for index in std::mem::take(&mut self.others) {
            let state = self.reader.states()[index].state;
            if state != State::Running {
                // A process that has written its last word still has to leave.
                match self.asked.stop(&self.directory(index)) {
                    Contact::Asked => self.others.push(index),
                    Contact::Gone | Contact::OutOfReach(_) => {
                        progress(Progress::Stopped {
                            id: self.id(index),
                            message: None,
                        });
                    }
                }
            } else if !matches!(self.ask(index, progress), Contact::OutOfReach(_)) {
                self.others.push(index);
            }
        }
    }
}
