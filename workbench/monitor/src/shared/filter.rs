//! Which runs are shown: words that all must hold, each a regular expression on the run's name or a comparison of a value.

use regex::{Regex, RegexBuilder};
use sweeps::Settings;
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

/// The value of a column of the table, of an axis or, where it is neither, of the run's configuration.
pub(super) fn field(run: &Run, config: &Settings, key: &str) -> Option<Value> {
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
        key => run.settings.get(key).or_else(|| config.get(key)).cloned(),
    }
}

/// The columns and axes that these runs can be asked for.
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
    let is_last = |key: &&String| words::last_part(key) == name;
    let mut found = keys.iter().filter(is_last);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key.clone()),
        (Some(_), Some(_)) => Err(format!(
            "`{name}` is the last part of several keys; write one whole"
        )),
        (None, _) => Err(format!("no key `{name}`{}", words::hint(name, keys.iter()))),
    }
}

/// The key that a name means, or why it means none.
pub(crate) type Named = Result<String, String>;

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

/// What a comparison asks of a value.
#[derive(Clone, Copy)]
enum Operator {
    Equal,
    Differs,
    Found,
    Number(fn(&f64, &f64) -> bool),
}

/// How a comparison is written; what begins with another one comes before it.
const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::Number(f64::ge)),
    ("<=", Operator::Number(f64::le)),
    ("!=", Operator::Differs),
    ("=", Operator::Equal),
    (">", Operator::Number(f64::gt)),
    ("<", Operator::Number(f64::lt)),
    ("~", Operator::Found),
];

impl Filter {
    /// Reads words such as `lr>=0.01 norm=post|pre !outcome=ok seed<3 deep`.
    /// `key` finds the key that a name means.
    pub(crate) fn parse(text: &str, mut key: impl FnMut(&str) -> Named) -> Result<Self, String> {
        let terms: Result<Vec<Term>, String> = text
            .split_whitespace()
            .map(|word| Term::parse(word, &mut key))
            .collect();
        Ok(Self {
            terms: terms?,
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    pub(crate) fn takes(&self, run: &Run, config: &Settings) -> bool {
        self.terms
            .iter()
            .all(|term| term.test.holds(run, config) != term.negated)
    }
}

impl Term {
    fn parse(word: &str, key: &mut dyn FnMut(&str) -> Named) -> Result<Self, String> {
        let (negated, body) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let found = OPERATORS
            .iter()
            .filter_map(|(sign, operator)| Some((body.find(sign)?, sign.len(), *operator)));
        let found = found.min_by_key(|(at, length, _)| (*at, std::cmp::Reverse(*length)));
        // What is no key in front of the sign is a regular expression that has the sign in it.
        let found = found.filter(|(at, ..)| is_key(&body[..*at]));
        let test = match found {
            None => Test::Name(expression(body)?),
            Some((at, length, operator)) => {
                Test::of(key(&body[..at])?, operator, &body[at + length..])?
            }
        };
        let differs = matches!(found, Some((_, _, Operator::Differs)));
        Ok(Self {
            negated: negated != differs,
            test,
        })
    }
}

/// Whether a text can be a key: `optimizer.lr`, `schedule[0].to`.
fn is_key(text: &str) -> bool {
    let mut parts = text.split('[');
    let plain = |part: &str| {
        part.chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    };
    let first = parts.next().unwrap_or_default();
    let place = |part: &str| {
        part.split_once(']').is_some_and(|(number, rest)| {
            !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) && plain(rest)
        })
    };
    !first.is_empty() && plain(first) && parts.all(place)
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
    fn of(key: String, operator: Operator, value: &str) -> Result<Self, String> {
        Ok(match operator {
            Operator::Equal | Operator::Differs => {
                Self::Equal(key, value.split('|').map(str::to_owned).collect())
            }
            Operator::Found => Self::Found(key, expression(value)?),
            Operator::Number(holds) => {
                let bound = value.parse::<f64>();
                let bound = bound.map_err(|_| format!("`{key}`: `{value}` is no number"))?;
                Self::Compared(key, holds, bound)
            }
        })
    }

    fn holds(&self, run: &Run, config: &Settings) -> bool {
        let field = |key: &str| field(run, config, key);
        match self {
            Self::Name(expression) => {
                expression.is_match(&run.label()) || expression.is_match(&run.id)
            }
            Self::Found(key, expression) => {
                field(key).is_some_and(|value| expression.is_match(&label(&value)))
            }
            Self::Equal(key, any) => {
                field(key).is_some_and(|value| any.iter().any(|wanted| equals(&value, wanted)))
            }
            Self::Compared(key, holds, bound) => {
                let number = field(key).as_ref().and_then(number);
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
        let filter = Filter::parse(text, |name| resolve(name, &keys(&runs))).unwrap();
        let taken = runs
            .iter()
            .filter(|run| filter.takes(run, &Settings::new()));
        taken.count()
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
        let error = |text| Filter::parse(text, |name| resolve(name, &keys)).unwrap_err();
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

    #[test]
    fn a_place_in_a_list_is_part_of_a_key_and_other_brackets_are_an_expression() {
        for key in ["lr", "optimizer.lr", "schedule[0].to", "a[1][2]"] {
            assert!(is_key(key), "{key}");
        }
        for other in ["", "[ab]", "s[ab]", "s[]", "s[1", "s1-"] {
            assert!(!is_key(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn prop_no_text_panics(text in ".{0,40}") {
            let runs = twenty(1).sweep.runs;
            if let Ok(filter) = Filter::parse(&text, |name| resolve(name, &keys(&runs))) {
                let _ = runs.iter().filter(|run| filter.takes(run, &Settings::new())).count();
            }
        }
    }
}
