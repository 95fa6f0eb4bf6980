//! Which runs are shown: words that all must hold, each a regular expression on the run's name or a comparison of a value.

use regex::{Regex, RegexBuilder};
use sweeps::card::{label, number};
use toml::Value;

use crate::view::Run;

/// What a run can be asked for beside its axis values.
const FIELDS: [&str; 7] = [
    "arm",
    "seed",
    "state",
    "outcome",
    "step",
    "loss",
    "held_out_loss",
];

/// The value of an axis or of a column of the table.
pub(crate) fn field(run: &Run, key: &str) -> Option<Value> {
    let whole = |value: u64| Value::Integer(value as i64);
    let text = |text: &str| Value::String(text.to_owned());
    match key {
        "arm" => Some(text(&run.arm)),
        "seed" => run.seed.map(whole),
        "state" => Some(text(run.state.name())),
        "outcome" => Some(text(run.outcome?.name())),
        "step" => Some(whole(run.step)),
        "loss" => run.loss.map(Value::Float),
        "held_out_loss" => run.held_out.map(Value::Float),
        key => run.settings.get(key).cloned(),
    }
}

/// All keys that these runs can be asked for.
pub(crate) fn keys(runs: &[Run]) -> Vec<String> {
    let mut keys: Vec<String> = FIELDS.map(str::to_owned).into();
    for key in runs.iter().flat_map(|run| run.settings.keys()) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The key that is meant by its whole name or by its last part.
pub(crate) fn resolve(name: &str, keys: &[String]) -> Result<String, String> {
    if keys.iter().any(|key| key == name) {
        return Ok(name.to_owned());
    }
    let is_last = |key: &&String| key.rsplit('.').next() == Some(name);
    let mut found = keys.iter().filter(is_last);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key.clone()),
        (Some(_), Some(_)) => Err(format!(
            "`{name}` is the last part of several keys; write one whole"
        )),
        (None, _) => Err(format!("no key `{name}`{}", words::hint(name, keys.iter()))),
    }
}

/// What the user typed, and what it asks for. The empty one takes all runs.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) text: String,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// The expression is found in the run's name or id.
    Name(Regex),
    /// The expression is found in the value of a key.
    Found(String, Regex),
    /// The value of a key is one of these.
    Equal(String, Vec<String>),
    /// The number of a key compares.
    Compared(String, fn(&f64, &f64) -> bool, f64),
}

/// How a comparison is written; what begins with another one comes before it.
const OPERATORS: [&str; 7] = [">=", "<=", "!=", "=", ">", "<", "~"];

impl Filter {
    /// Reads words such as `lr>=0.01 norm=post|pre !outcome=ok seed<3 deep`.
    pub(crate) fn parse(text: &str, keys: &[String]) -> Result<Self, String> {
        let terms: Result<Vec<Term>, String> = text
            .split_whitespace()
            .map(|word| Term::parse(word, keys))
            .collect();
        Ok(Self {
            terms: terms?,
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    pub(crate) fn takes(&self, run: &Run) -> bool {
        self.terms
            .iter()
            .all(|term| term.test.holds(run) != term.negated)
    }
}

impl Term {
    fn parse(word: &str, keys: &[String]) -> Result<Self, String> {
        let (negated, body) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let first = OPERATORS
            .iter()
            .filter_map(|operator| Some((body.find(operator)?, *operator)));
        let found = first.min_by_key(|(at, operator)| (*at, std::cmp::Reverse(operator.len())));
        // What is no key in front of the sign is a regular expression that has the sign in it.
        let key = |at: usize| {
            at > 0
                && body[..at]
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
        };
        let Some((at, operator)) = found.filter(|(at, _)| key(*at)) else {
            return Ok(Self {
                negated,
                test: Test::Name(expression(body)?),
            });
        };
        let (key, value) = (resolve(&body[..at], keys)?, &body[at + operator.len()..]);
        let any = || value.split('|').map(str::to_owned).collect();
        let less: fn(&f64, &f64) -> bool = match operator {
            "=" => {
                return Ok(Self {
                    negated,
                    test: Test::Equal(key, any()),
                });
            }
            "!=" => {
                return Ok(Self {
                    negated: !negated,
                    test: Test::Equal(key, any()),
                });
            }
            "~" => {
                return Ok(Self {
                    negated,
                    test: Test::Found(key, expression(value)?),
                });
            }
            ">=" => f64::ge,
            "<=" => f64::le,
            ">" => f64::gt,
            _ => f64::lt,
        };
        let bound = value
            .parse()
            .map_err(|_| format!("`{word}`: `{value}` is no number"))?;
        Ok(Self {
            negated,
            test: Test::Compared(key, less, bound),
        })
    }
}

fn expression(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(1 << 20)
        .build();
    built.map_err(|error| {
        let why = error.to_string();
        let last = why.lines().last().unwrap_or_default();
        format!(
            "`{text}` is no regular expression: {}",
            last.trim_start_matches("error: ")
        )
    })
}

impl Test {
    fn holds(&self, run: &Run) -> bool {
        match self {
            Self::Name(expression) => {
                expression.is_match(&run.label()) || expression.is_match(&run.id)
            }
            Self::Found(key, expression) => {
                field(run, key).is_some_and(|value| expression.is_match(&label(&value)))
            }
            Self::Equal(key, any) => {
                field(run, key).is_some_and(|value| any.iter().any(|wanted| equals(&value, wanted)))
            }
            Self::Compared(key, holds, bound) => {
                let number = field(run, key).as_ref().and_then(number);
                number.is_some_and(|number| holds(&number, bound))
            }
        }
    }
}

fn equals(value: &Value, wanted: &str) -> bool {
    let numbers = number(value).zip(wanted.parse::<f64>().ok());
    numbers.is_some_and(|(a, b)| a == b) || label(value) == wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::twenty;
    use proptest::prelude::*;

    fn taken(text: &str) -> usize {
        let runs = twenty(5).sweep.runs;
        let filter = Filter::parse(text, &keys(&runs)).unwrap();
        runs.iter().filter(|run| filter.takes(run)).count()
    }

    #[test]
    fn words_compare_values_and_search_names() {
        assert_eq!(taken(""), 100);
        assert_eq!(taken("lr=0.01"), 20);
        assert_eq!(taken("lr=1e-2"), 20, "numbers are compared as such");
        assert_eq!(taken("optimizer.lr>=0.01 num_heads=8|4"), 30);
        assert_eq!(taken("lr=0.01 seed<3 !num_heads=8"), 6);
        assert_eq!(taken("lr!=0.01"), 80);
        assert_eq!(taken("^num_heads=(8|1) .*s2$"), 10);
        assert_eq!(taken("state=running|pending"), taken("state~ing$"));
        assert_eq!(taken("no-such-run"), 0);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let keys = keys(&twenty(1).sweep.runs);
        let error = |text| Filter::parse(text, &keys).unwrap_err();
        assert!(
            error("optimiser.lr=1").contains("`optimizer.lr`"),
            "{}",
            error("optimiser.lr=1")
        );
        let two = ["a.lr", "b.lr", "b.seed", "seed"].map(str::to_owned);
        assert_eq!(
            resolve("seed", &two),
            Ok("seed".to_owned()),
            "a whole key is never in doubt"
        );
        assert!(resolve("lr", &two).unwrap_err().contains("several keys"));
        assert!(error("lr>small").contains("`small` is no number"));
        assert!(error("(").contains("no regular expression"));
    }

    proptest! {
        #[test]
        fn prop_no_text_panics(text in ".{0,40}") {
            let runs = twenty(1).sweep.runs;
            if let Ok(filter) = Filter::parse(&text, &keys(&runs)) {
                runs.iter().for_each(|run| { filter.takes(run); });
            }
        }
    }
}
