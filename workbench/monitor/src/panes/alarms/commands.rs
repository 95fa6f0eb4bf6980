//! What can be typed about alarms: which one has the cursor, and what is started from it.

use experiments_config::Override;
use logs::AlarmKind;

use super::row::name;
use super::{Alarms, Held};
use crate::command::{self, Outcome};
use crate::shared::Shared;
use crate::start::Start;

impl Alarms {
    /// Puts the cursor on the alarm of a step, where there are several of a signal, of a run, and of a kind.
    pub(super) fn hold(&mut self, shared: &mut Shared, words: &str) -> Outcome {
        self.window.chosen = None;
        let words = shlex::split(words).ok_or("a quote is not closed")?;
        let mut words = words.iter();
        let Some(step) = words.next() else {
            (self.held, self.cursor) = (None, 0);
            return Ok(());
        };
        let wrong = || format!("`{step}` is no step; it is a whole number");
        let at: u64 = step.parse().map_err(|_| wrong())?;
        let signal = words.next();
        let of = words.next().map(|name| shared.find(name)).transpose()?;
        let kind = words.next();
        let listed = self.listed(shared);
        let mut here = listed.iter().filter(|(_, seen)| seen.alarm.step == at);
        let found = here.find(|(run, seen)| {
            signal.is_none_or(|signal| seen.alarm.signal == *signal)
                && of.is_none_or(|of| of == *run)
                && kind.is_none_or(|kind| name(seen.alarm.kind) == kind)
        });
        let (run, seen) =
            found.ok_or_else(|| format!("the list has no such alarm at step {at}"))?;
        self.held = Some(Held::of(*run, &seen.alarm));
        Ok(())
    }

    /// How [`Self::hold`] leads to the alarm that was chosen.
    pub(super) fn held(&self, shared: &Shared) -> Option<String> {
        let held = self.held.as_ref()?;
        let mut listed = self.listed(shared).into_iter();
        listed.find(|(run, seen)| held.is(*run, &seen.alarm))?;
        let id = &shared.run(held.run)?.id;
        let quoted = shlex::try_quote(id).ok()?;
        let line = format!("{} {} {quoted}", held.step, held.signal);
        Some(if held.kind == AlarmKind::NonFinite {
            format!("{line} {}", name(held.kind))
        } else {
            line
        })
    }

    pub(super) fn read_from(&mut self, _: &mut Shared, row: &str) -> Outcome {
        self.window.chosen = command::row(row)?;
        Ok(())
    }

    /// The run and the step that are meant: of the alarm under the cursor or, with a number, of the run under the cursor.
    fn meant(&self, shared: &Shared, step: &str) -> Result<(usize, u64), String> {
        if step.is_empty() {
            let found = self.found.get(self.cursor);
            let found =
                found.ok_or("no alarm is on the screen; a step can be given: `:replay STEP`")?;
            return Ok((found.run, found.step));
        }
        let step = step.parse().ok().filter(|step: &u64| *step > 0);
        let step = step.ok_or("a step is a whole number from 1 on")?;
        Ok((shared.cursor, step))
    }

    pub(super) fn replay(&self, shared: &Shared, step: &str) -> Result<Start, String> {
        let (run, step) = self.meant(shared, step)?;
        let (folder, name) = shared.trained(run)?;
        Ok(Start::replay(folder, &name, step))
    }

    pub(super) fn fork(&self, shared: &Shared, words: &str) -> Result<Start, String> {
        let words = shlex::split(words).ok_or("a quote is not closed")?;
        let mut words = words.iter().map(String::as_str).peekable();
        let out = words
            .next()
            .ok_or("a directory for the fork, such as `:fork runs/lower optimizer.lr=1e-3`")?;
        let step = words.next_if(|word| !word.contains('=')).unwrap_or("");
        let keys: Vec<&str> = words.collect();
        let wrong = keys.iter().find(|key| key.parse::<Override>().is_err());
        if let Some(wrong) = wrong {
            return Err(format!("`{wrong}` is no KEY=VALUE"));
        }
        let (run, step) = self.meant(shared, step)?;
        let (folder, name) = shared.trained(run)?;
        Ok(Start::fork(folder, &name, step, out, &keys))
    }
}
