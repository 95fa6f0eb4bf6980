//! The spikes of a run's loss in words.

use crate::prose::{loss, significant};
use crate::view::{Fact, SpikeRow};
use logs::spike::{LossSpike, SpikeState};
use words::counted;

/// Spikes told one by one; of more the highest.
const MOST: usize = 8;

/// For the table: `0`, or `2, highest +3.29 at 161`.
pub(crate) fn cell(spikes: &[LossSpike]) -> String {
    let highest = spikes.iter().max_by(|a, b| a.height.total_cmp(&b.height));
    highest.map_or("0".to_owned(), |found| {
        let owner = found.owner.as_ref();
        let owner = owner.map_or(String::new(), |owner| format!(", {owner}"));
        format!(
            "{}, highest {:+.2} at {}{owner}",
            spikes.len(),
            found.height,
            found.spike.first
        )
    })
}

/// One line for each spike, in the order of steps.
pub(crate) fn facts(spikes: &[LossSpike]) -> Vec<Fact> {
    let mut told: Vec<&LossSpike> = spikes.iter().collect();
    told.sort_by(|a, b| b.height.total_cmp(&a.height));
    told.truncate(MOST);
    told.sort_by_key(|found| found.spike.first);
    let line = |found: &&LossSpike| {
        Fact::new(
            format!("spike at step {}", found.spike.first),
            sentence(found),
        )
    };
    let mut facts: Vec<Fact> = told.iter().map(line).collect();
    let more = spikes.len() - told.len();
    if more > 0 {
        facts.push(Fact::new("lower spikes", more.to_string()));
    }
    facts
}

/// Spikes in the table of all runs.
const MOST_ROWS: usize = 60;

/// The spikes of all runs, the highest first, and what to say of those left out; of each run its name, the number of its arm and
/// its spikes, in the order of the page.
pub(crate) fn rows(runs: &[(&str, usize, &[LossSpike])]) -> (Vec<SpikeRow>, String) {
    let mut rows = Vec::new();
    for (place, (run, arm, spikes)) in runs.iter().enumerate() {
        rows.extend(
            spikes
                .iter()
                .map(|found| (found.height, row(run, *arm, place + 1, found))),
        );
    }
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let more = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let note = match more {
        0 => String::new(),
        more => format!(
            "The highest {MOST_ROWS}; {} more stand with their runs.",
            counted(more as u64, "spike")
        ),
    };
    (rows.into_iter().map(|(_, row)| row).collect(), note)
}

fn row(run: &str, arm: usize, place: usize, found: &LossSpike) -> SpikeRow {
    let owner = found.owner.as_ref();
    SpikeRow {
        run: run.to_owned(),
        place,
        arm,
        step: found.spike.first,
        height: format!("{:+.3}", found.height),
        duration: found.duration,
        owner: owner.map_or(crate::prose::NONE.to_owned(), |owner| {
            format!("{owner}, {} times", significant(owner.growth, 3))
        }),
        end: end(found.spike.state),
    }
}

fn end(state: SpikeState) -> &'static str {
    match state {
        SpikeState::Open => "not over when the records end",
        SpikeState::Recovered => "recovered",
        SpikeState::NewLevel => "not recovered",
    }
}

fn sentence(found: &LossSpike) -> String {
    let spike = &found.spike;
    let mut parts = vec![
        format!(
            "{:+.2} nats over {} ({} robust deviations)",
            found.height,
            loss(spike.level),
            significant(spike.deviations, 3)
        ),
        counted(found.duration, "step"),
    ];
    if spike.skipped > 0 {
        parts.push(format!("{} skipped", spike.skipped));
    }
    if spike.non_finite > 0 {
        parts.push(format!("{} not finite", spike.non_finite));
    }
    parts.push(end(spike.state).to_owned());
    parts.push(match &found.owner {
        Some(owner) => format!(
            "the gradient norm of {owner} grew {} times by step {}",
            significant(owner.growth, 3),
            owner.step
        ),
        None => "no layer's gradient norm doubled before, or none was recorded".to_owned(),
    });
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use logs::spike::{Owner, Role, Spike};

    fn spike(first: u64, height: f64) -> LossSpike {
        LossSpike {
            spike: Spike {
                first,
                peak: first + 1,
                last: first + 3,
                value: 6.0 + height,
                level: 6.0,
                deviations: 12.34,
                skipped: 3,
                non_finite: 0,
                state: SpikeState::Recovered,
            },
            height,
            duration: 4,
            owner: Some(Owner {
                layer: Some(2),
                role: Some(Role::Ffn),
                growth: 46.2,
                step: first - 1,
            }),
        }
    }

    #[test]
    fn the_cell_counts_and_names_the_highest_and_its_owner() {
        assert_eq!(cell(&[]), "0");
        let found = cell(&[spike(100, 1.2), spike(161, 3.291)]);
        assert_eq!(found, "2, highest +3.29 at 161, layer 2 feed-forward");
    }

    #[test]
    fn every_spike_is_a_line_and_of_very_many_the_highest_are() {
        let many: Vec<_> = (1..=10).map(|i| spike(100 * i, i as f64)).collect();
        let facts = facts(&many);
        assert_eq!(facts.len(), MOST + 1);
        assert_eq!(facts[0].name, "spike at step 300");
        assert_eq!(
            facts[0].value,
            "+3.00 nats over 6.0000 (12.3 robust deviations); 4 steps; 3 skipped; recovered; \
             the gradient norm of layer 2 feed-forward grew 46.2 times by step 299"
        );
        assert_eq!(facts[MOST].value, "2");
    }
}
