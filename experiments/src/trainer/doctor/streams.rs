//! Whether a step was taken with other random streams than its own. It is taken again with those of other seeds and, for
//! dropout, of other steps; only where that gives every recorded bit is anything said.

use crate::state::Trained;
use experiments_config::Config;
use logs::Record;

/// How far from the run's own a seed or a step is tried.
const NEAR: u64 = 32;
/// Seeds beside those that are likely by themselves.
const SEEDS: [u64; 4] = [0, 1, 42, 1234];

/// Takes one step with a configuration from a state.
pub(super) type Take<'a> = dyn Fn(&Config, Trained) -> Option<Record> + 'a;

/// Whose streams give what is `recorded` of the step after `before`; none where no others were found to.
pub(super) fn other(
    config: &Config,
    before: &Trained,
    recorded: &Record,
    take: &Take,
) -> Option<String> {
    let gives = |config: &Config, before: Trained| {
        let taken = take(config, before);
        taken.is_some_and(|taken| recorded.differing(&taken).is_empty())
    };
    let own_seed = config.seed;
    let of_seed = |seed: u64| {
        let config = Config {
            seed,
            ..config.clone()
        };
        let words = format!("the random streams of seed {seed} in place of {own_seed}");
        gives(&config, before.clone()).then_some(words)
    };
    let own = before.state.step + 1;
    let of_step = |step: u64| {
        let mut before = before.clone();
        before.state.step = step - 1;
        let words = format!("the random stream (dropout) of step {step} in place of {own}");
        gives(config, before).then_some(words)
    };
    let seeds = near(config.seed, 0).chain(SEEDS);
    let mut seeds = seeds.filter(|seed| *seed != config.seed);
    let model = &config.model;
    let drops = model.dropout > 0.0 || model.attention_dropout > 0.0;
    let first = 1..=NEAR.min(own - 1);
    let mut steps = near(own, 1).chain(first).filter(|_| drops);
    seeds.find_map(of_seed).or_else(|| steps.find_map(of_step))
}

/// Other numbers, the nearest first.
fn near(own: u64, least: u64) -> impl Iterator<Item = u64> {
    let away = move |by: u64| [own.checked_sub(by), own.checked_add(by)];
    let all = (1..=NEAR).flat_map(away).flatten();
    all.filter(move |number| *number >= least)
}

#[cfg(test)]
mod tests {
    use super::super::tests::trained;
    use super::*;

    /// A step whose loss names seed and step.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::needless_pass_by_value,
        reason = "as `Take` has it"
    )]
    fn take(config: &Config, before: Trained) -> Option<Record> {
        let mut record = Record::new(51);
        record.set_named("loss", (config.seed * 1000 + before.state.step) as f64);
        Some(record)
    }

    fn found(dropout: f64, seed: u64, step: u64) -> Option<String> {
        let mut config = Config::default();
        (config.seed, config.model.dropout) = (7, dropout);
        let as_was = Config {
            seed,
            ..config.clone()
        };
        let mut before = trained();
        before.state.step = step - 1;
        let recorded = take(&as_was, before)?;
        other(&config, &trained(), &recorded, &take)
    }

    #[test]
    fn other_streams_are_named_where_they_give_the_record_and_only_there() {
        let seed = found(0.0, 9, 51).unwrap();
        assert_eq!(seed, "the random streams of seed 9 in place of 7");
        assert!(found(0.0, 1234, 51).is_some());
        let step = found(0.1, 7, 50).unwrap();
        assert_eq!(
            step,
            "the random stream (dropout) of step 50 in place of 51"
        );
        assert!(found(0.1, 7, 1).is_some(), "a generator that began anew");
        assert_eq!(found(0.0, 7, 50), None, "no stream goes by the step");
        assert_eq!(found(0.1, 999, 51), None, "what was not tried is not named");
    }
}
