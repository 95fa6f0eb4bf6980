//! A run's steps taken again by ranks as they were taken.
//!
//! Ranks that share matrices, and micro-batches cut among replicas, sum in another order than one process does: the last
//! bits of such steps come from such ranks alone. Here they are threads of this process, whatever carried their messages in
//! the run: all engines give the same bits (`docs/decisions/0022-ranks.md`).

use super::approach::problem;
use super::beside::replica;
use super::course::Course;
use super::ranks::{follow, on_threads};
use super::text::Text;
use crate::backend::Device;
use crate::error::TrainError;
use crate::ranks::{Degrees, Division, caught};
use crate::state::Trained;
use experiments_config::{Config, ScheduledKey};
use logs::{Event, EventKind, RollBack, RunReader};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The event's key under which an attempt says how its ranks divide the work.
pub(super) const RANKS: &str = "ranks";

/// By what each step of a run was taken.
pub(super) struct Layouts {
    /// Finished steps from which on, and the ranks; none where one process gives the same bits. Later ones hold.
    begins: Vec<(u64, Option<Degrees>)>,
}

impl Layouts {
    /// As the attempts of the run at `directory` have told it.
    pub(super) fn of(
        directory: &Path,
        config: &Config,
        events: &[Event],
    ) -> Result<Self, TrainError> {
        let mut of_attempts = HashMap::new();
        let mut begins = Vec::new();
        for event in events {
            if matches!(event.kind, EventKind::Start | EventKind::Resume) {
                let degrees = told(directory, event)?.filter(|it| !keeps_bits(*it, config));
                of_attempts.insert(event.attempt, degrees);
                begins.push((event.step, degrees));
            } else if let Some(back) = RollBack::of(event) {
                let degrees = of_attempts.get(&back.attempt).copied().flatten();
                begins.push((back.to, degrees));
            }
        }
        Ok(Self { begins })
    }

    /// The ranks that took a step; none where one process gives the same bits.
    pub(super) fn of_step(&self, step: u64) -> Option<Degrees> {
        let mut begins = self.begins.iter().rev();
        begins.find(|(from, _)| *from < step)?.1
    }

    /// How many steps are finished, at most `to`, where the next one is taken by others than the one after `finished` is.
    fn changes_after(&self, finished: u64, to: u64) -> u64 {
        let own = self.of_step(finished + 1);
        let mut others = (finished + 1..to).filter(|step| self.of_step(step + 1) != own);
        others.next().unwrap_or(to)
    }
}

/// What the beginning of an attempt says of its ranks.
fn told(directory: &Path, event: &Event) -> Result<Option<Degrees>, TrainError> {
    let Some(text) = event.data.get(RANKS) else {
        return Ok(None);
    };
    let degrees = text.as_str().and_then(|text| text.parse().ok());
    degrees.map(Some).ok_or_else(|| {
        let attempt = event.attempt;
        let text = format!(
            "its attempt {attempt} says in `{RANKS}` that {text} trained it; expected degrees as in `{}`",
            Degrees::ONE
        );
        problem(directory, text)
    })
}

/// Whether one process gives the bits of these ranks: stages and whole micro-batches are summed as one process does.
fn keeps_bits(degrees: Degrees, config: &Config) -> bool {
    let schedule = &config.schedule;
    let mut moves = schedule.iter().map(|entry| entry.key);
    let micro_batches = config.batch.gradient_accumulation;
    degrees.tensor == 1
        && Division::new(micro_batches, degrees.data, 0).parts == 1
        && (degrees.data == 1 || moves.all(|key| key != ScheduledKey::GradientAccumulation))
}

/// What takes steps of a run again.
#[derive(Clone, Copy)]
pub(super) struct Again<'a> {
    pub(super) config: &'a Config,
    /// What the policies of the run change.
    pub(super) changes: &'a [Option<Config>],
    pub(super) text: &'a Text,
    pub(super) device: Device,
    pub(super) layouts: &'a Layouts,
}

impl<'a> Again<'a> {
    /// One process.
    pub(super) fn alone(self) -> Result<Course<'a>, TrainError> {
        let engine = self.device.engine(self.config, None)?;
        Course::new(self.config, self.changes, self.text, self.device, engine)
    }

    /// Hands `work` what takes the run's next steps, and the number of finished steps, at most `to`, up to which it may,
    /// until `to` steps are finished or it says no. The moments of `trained` are home then.
    pub(super) fn forward(
        self,
        trained: &mut Trained,
        to: u64,
        mut work: impl FnMut(&Course, &mut Trained, u64) -> Result<bool, TrainError>,
    ) -> Result<bool, TrainError> {
        while trained.state.step < to {
            let finished = trained.state.step;
            let end = self.layouts.changes_after(finished, to);
            let goes_on = match self.layouts.of_step(finished + 1) {
                None => work(&self.alone()?, trained, end)?,
                Some(degrees) => self.by_ranks(degrees, trained, end, &mut work)?,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn by_ranks(
        self,
        degrees: Degrees,
        trained: &mut Trained,
        end: u64,
        work: &mut impl FnMut(&Course, &mut Trained, u64) -> Result<bool, TrainError>,
    ) -> Result<bool, TrainError> {
        let course = |ranks: &Arc<_>| {
            let engine = replica(self.config, ranks);
            Course::new(self.config, self.changes, self.text, Device::CPU, engine)
        };
        let follows = |ranks| {
            let ranks = Arc::new(ranks);
            let course = course(&ranks)?;
            caught(|| follow(&course, &ranks))
        };
        on_threads(degrees, follows, |ranks| {
            let ranks = Arc::new(ranks);
            let done = caught(|| {
                let goes_on = work(&course(&ranks)?, trained, end)?;
                // What the others have of the state they have no longer when they have ended.
                trained.adam.bring_home();
                Ok(goes_on)
            });
            ranks.end();
            done
        })
    }
}

/// The ranks that took a step of the run at `directory`, where one process would not give its bits.
pub fn ranks_of_step(
    directory: &Path,
    config: &Config,
    step: u64,
) -> Result<Option<Degrees>, TrainError> {
    let reader = RunReader::open(directory)?;
    let layouts = Layouts::of(directory, config, reader.events())?;
    Ok(layouts.of_step(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Degrees = Degrees {
        pipeline: 2,
        data: 3,
        tensor: 4,
        sequence: true,
    };

    fn begun(kind: EventKind, attempt: u32, step: u64, ranks: Option<&str>) -> Event {
        let event = Event {
            attempt,
            ..Event::now(step, kind, "begins")
        };
        match ranks {
            Some(ranks) => event.with(RANKS, ranks),
            None => event,
        }
    }

    fn layouts(config: &Config, events: &[Event]) -> Layouts {
        Layouts::of(Path::new("runs/x"), config, events).unwrap()
    }

    #[test]
    fn degrees_are_read_as_they_are_told() {
        for sequence in [false, true] {
            let degrees = Degrees { sequence, ..SHARED };
            assert_eq!(degrees.to_string().parse(), Ok(degrees));
        }
        for broken in ["", "2", "--tensor-parallel", "--data-parallel 0", "--x 2"] {
            assert!(broken.parse::<Degrees>().is_err(), "{broken}");
        }
    }

    #[test]
    fn a_step_is_of_the_last_attempt_that_took_it() {
        let config = Config::default();
        let shared = SHARED.to_string();
        let two = "--tensor-parallel 2 --pipeline-parallel 1 --data-parallel 1";
        let mut events = vec![
            begun(EventKind::Start, 1, 0, Some(&shared)),
            begun(EventKind::Resume, 2, 20, None),
            begun(EventKind::Resume, 3, 40, Some(two)),
        ];
        let found = layouts(&config, &events);
        let of = |found: &Layouts, step| found.of_step(step).map(|degrees| degrees.tensor);
        let tensor = |step| of(&found, step);
        assert_eq!(
            [1, 20, 21, 40, 41, 90].map(tensor),
            [Some(4), Some(4), None, None, Some(2), Some(2)]
        );
        assert_eq!(found.changes_after(0, 90), 20);
        assert_eq!(found.changes_after(20, 30), 30);
        assert_eq!(found.changes_after(39, 90), 40);
        // The third attempt went back behind the beginning of the second.
        let back = begun(EventKind::Intervention, 3, 10, None);
        events.push(RollBack::told_by(back, 1, 50));
        let found = layouts(&config, &events);
        assert_eq!(
            [10, 11, 30].map(|step| of(&found, step)),
            [Some(4), Some(2), Some(2)]
        );
    }

    #[test]
    fn only_what_changes_the_bits_is_taken_by_ranks_again() {
        let mut config = Config::default();
        config.batch.gradient_accumulation = 4;
        let degrees = |tensor, data| Degrees {
            tensor,
            data,
            pipeline: 2,
            sequence: false,
        };
        assert!(keeps_bits(degrees(1, 4), &config));
        assert!(keeps_bits(degrees(1, 2), &config));
        assert!(!keeps_bits(degrees(1, 3), &config), "micro-batches are cut");
        assert!(!keeps_bits(degrees(2, 1), &config), "matrices are shared");
    }

    #[test]
    fn degrees_that_cannot_be_read_are_named() {
        let events = [begun(EventKind::Start, 1, 0, Some("four of them"))];
        let told = Layouts::of(Path::new("runs/x"), &Config::default(), &events);
        let told = told.err().unwrap().to_string();
        assert!(
            told.contains("runs/x") && told.contains("four of them"),
            "{told}"
        );
        assert!(told.contains("--tensor-parallel 1"), "{told}");
    }
}
