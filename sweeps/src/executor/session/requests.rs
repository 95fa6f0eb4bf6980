//! What is asked of an executor while it works, and the runs that other processes train.

use super::{Company, Session};
use crate::executor::others::{Contact, is_held};
use crate::executor::process::Process;
use crate::executor::progress::Progress;
use crate::reader::State;
use crate::{Request, SweepError};

impl Session<'_> {
    /// Whether the whole sweep is to stop. Jobs are told by their scheduler.
    pub(super) fn is_told_to_stop(&self) -> bool {
        self.company != Company::Scheduler && self.sweep.stop_requested()
    }

    /// A request to stop this run is done with. In company the others still have to learn that the run is to be left.
    pub(super) fn honoured(&self, id: &str) -> Result<(), SweepError> {
        match self.company {
            Company::None | Company::Scheduler => self.sweep.withdraw(id, Request::Stop),
            Company::Executors => self.sweep.set_down(id),
        }
    }

    /// Whether somebody wants a single run to end.
    pub(super) fn is_asked_for(&self, index: usize) -> bool {
        let id = &self.sweep.runs()[index].id;
        let requests = [Request::Stop, Request::Skip];
        let set_down = self.company == Company::Executors && self.sweep.is_set_down(id);
        set_down || requests.into_iter().any(|r| self.sweep.requested(id, r))
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
        self.find_strangers();
        self.take_up()?;
        // What other machines train, they are asked about themselves.
        let own_others = match self.company {
            Company::None => self.others.clone(),
            Company::Executors | Company::Scheduler => Vec::new(),
        };
        for index in own_others {
            let asked = self.is_asked_for(index);
            if asked && matches!(self.ask(index, progress), Contact::OutOfReach(_)) {
                self.sweep.withdraw(&self.id(index), Request::Stop)?;
            }
        }
        for index in std::mem::take(&mut self.queue) {
            let id = &self.sweep.runs()[index].id;
            let is_running = self.reader.states()[index].state == State::Running;
            if self.company == Company::Executors && is_running {
                // The request is for whoever trains it.
                self.others.push(index);
                continue;
            }
            let stop = self.sweep.requested(id, Request::Stop);
            if stop {
                self.honoured(id)?;
            }
            if stop || self.sweep.is_set_down(id) || self.sweep.requested(id, Request::Skip) {
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

    /// Whether a run is to be trained here, or is being trained.
    fn is_known(&self, index: usize) -> bool {
        let mut processes = self.processes.iter();
        self.queue.contains(&index)
            || self.others.contains(&index)
            || processes.any(|process| process.runs.iter().any(|run| run.index == index))
    }

    /// A run that had ended here, and that somebody trains by hand since, is another process's as soon as it is asked for:
    /// whoever asks waits until it has ended.
    fn find_strangers(&mut self) {
        if self.company != Company::None {
            return;
        }
        for index in 0..self.reader.states().len() {
            let running = self.reader.states()[index].state == State::Running;
            if running && !self.is_known(index) && self.is_asked_for(index) {
                self.others.push(index);
            }
        }
    }

    /// Takes up runs that ended early and are to go on, behind those that wait.
    fn take_up(&mut self) -> Result<(), SweepError> {
        if self.company == Company::Scheduler {
            return Ok(());
        }
        for index in 0..self.sweep.runs().len() {
            let id = self.id(index);
            if !self.sweep.is_to_resume(&id) {
                continue;
            }
            let state = self.reader.states()[index].state;
            let has_to_end = match state {
                State::Running => self.is_asked_for(index),
                State::Stopped
                | State::Interrupted
                | State::Failed
                | State::Pending
                | State::Skipped
                | State::Finished => is_held(&self.directory(index)),
            };
            if has_to_end {
                continue;
            }
            let can = match state {
                State::Stopped | State::Interrupted | State::Failed | State::Pending => true,
                // As of the last look at it.
                State::Skipped => !self.sweep.requested(&id, Request::Skip),
                State::Running | State::Finished => false,
            };
            if can && !self.is_known(index) {
                self.sweep.take_up(&id)?;
                self.failed.retain(|failed| *failed != index);
                self.again.push(index);
                self.queue.push_back(index);
            }
            self.sweep.withdraw_resume(&id)?;
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
                State::Stopped if self.sweep.is_set_down(&run.id) => progress(Progress::Stopped {
                    id: run.id.clone(),
                    message: None,
                }),
                // Whether it was this run that somebody wanted to end, its requests say.
                State::Pending | State::Interrupted | State::Stopped | State::Skipped => {
                    self.queue.push_front(index);
                }
                State::Finished | State::Failed => progress(Progress::ended(run)),
            }
        }
    }

    /// Makes every process that trains a run of the sweep save its state and end.
    pub(super) fn stop_everything(&mut self, progress: &mut dyn FnMut(Progress)) {
        self.processes.iter_mut().for_each(Process::stop);
        if self.company != Company::None {
            self.others.clear();
        }
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
