//! The keys of a card, and what is said about others.

use crate::card::value::closest;
use experiments_config::Complaint;
use toml::{Table, Value};

/// Keys of `[criterion]` that hold for every test; [`test_keys`] has the others.
const ANY_TEST: [&str; 7] = ["name", "claim", "role", "test", "metric", "alpha", "expect"];

/// Keys of `[criterion]` that say where a value or an interval must lie.
pub(in crate::card) const BOUNDS: [&str; 7] = [
    "equals", "at_most", "at_least", "above", "below", "inside", "contains",
];

/// The tests.
pub(in crate::card) const TESTS: [&str; 8] = [
    "fisher",
    "permutation",
    "tost",
    "slope",
    "jonckheere",
    "ld50",
    "exact",
    "mcnemar",
];

/// What a test needs to be told; a `?` at the end marks what may be left out, and `bound` stands
/// for one of [`BOUNDS`].
pub(in crate::card) fn test_keys(test: &str) -> &'static [&'static str] {
    match test {
        "permutation" => &[
            "treatment",
            "control",
            "direction",
            "margin?",
            "control_metric?",
            "minus?",
            "pool?",
            "failed?",
            "worst?",
        ],
        "tost" => &["treatment", "control", "margin?", "pool?", "failed?"],
        "slope" => &["along", "at?", "bound", "failed?"],
        "jonckheere" => &["along", "at?", "direction", "failed?", "worst?"],
        "ld50" => &[
            "along",
            "treatment",
            "control",
            "direction",
            "event?",
            "failed?",
        ],
        "exact" => &["at", "bound"],
        // `fisher` and `mcnemar`, and what a misspelt word most likely means.
        _ => &[
            "treatment",
            "control",
            "direction",
            "event?",
            "pool?",
            "failed?",
        ],
    }
}

/// The keys of each section. `fixed`, `axes`, `where` and the arms of a criterion hold
/// configuration keys and are checked against the configuration tree instead; `expect` is
/// checked by its type.
const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "name",
            "title",
            "hypothesis",
            "kind",
            "base",
            "seeds",
            "budget_minutes",
            "source",
            "fixed",
            "axes",
            "zip",
            "exclude",
            "arm",
            "metric",
            "outcome",
            "criterion",
            "budget",
            "figure",
        ],
    ),
    ("figure", &["at", "along"]),
    ("source", &["paper", "where", "claim", "numbers"]),
    ("arm", &["where", "seeds", "role"]),
    ("exclude", &["where"]),
    ("metric", METRIC),
    ("criterion.metric", METRIC),
    ("criterion.control_metric", METRIC),
    ("criterion.minus", &["treatment", "control"]),
    (
        "outcome",
        &[
            "stuck_margin",
            "window",
            "diverged_nats",
            "diverged_mads",
            "mad_window",
            "recovery_steps",
        ],
    ),
    ("budget.*", &["minutes", "seeds", "fixed", "axes"]),
];

const METRIC: &[&str] = &["name", "reduce", "from_step", "to_step"];

/// Complaints about all keys that do not belong where they are.
pub(super) fn misspelt(table: &Table) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (pattern, known) in KEYS {
        for (section, inner) in sections(table, pattern) {
            for key in inner.keys().filter(|key| !known.contains(&key.as_str())) {
                complaints.push(unknown(&section, key, known));
            }
        }
    }
    for (section, criterion) in sections(table, "criterion") {
        let test = criterion
            .get("test")
            .and_then(Value::as_str)
            .unwrap_or("fisher");
        // What an unknown test needs is not known either; it has a complaint of its own.
        let known = if TESTS.contains(&test) {
            criterion_keys(test)
        } else {
            TESTS.iter().flat_map(|test| criterion_keys(test)).collect()
        };
        for key in criterion
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
        {
            complaints.push(
                foreign(&section, key, test).unwrap_or_else(|| unknown(&section, key, &known)),
            );
        }
    }
    complaints
}

/// The complaint about a key that belongs to other tests.
fn foreign(section: &str, key: &str, test: &str) -> Option<Complaint> {
    let having = TESTS
        .iter()
        .filter(|other| criterion_keys(other).contains(&key));
    let having: Vec<String> = having.map(|other| format!("`{other}`")).collect();
    let own: Vec<&str> = test_keys(test)
        .iter()
        .map(|key| key.trim_end_matches('?'))
        .collect();
    (!having.is_empty()).then(|| Complaint {
        key: format!("{section}.{key}"),
        message: format!(
            "is no key of the test `{test}`, which has {}",
            own.join(", ").replace("bound", "a bound")
        ),
        hint: Some(format!("it belongs to {}", having.join(", "))),
    })
}

/// All keys of a criterion with this test.
fn criterion_keys(test: &str) -> Vec<&'static str> {
    let mut keys = ANY_TEST.to_vec();
    for key in test_keys(test) {
        match *key {
            "bound" => keys.extend(BOUNDS),
            key => keys.push(key.trim_end_matches('?')),
        }
    }
    keys
}

/// The tables at a dotted path with their names; `*` stands for any key, the empty path for the
/// whole, and tables of a list of several are numbered.
fn sections<'a>(table: &'a Table, path: &str) -> Vec<(String, &'a Table)> {
    let mut found = vec![(String::new(), table)];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let mut inner = Vec::new();
        for (name, table) in found {
            for (key, value) in table.iter().filter(|(key, _)| part == "*" || *key == part) {
                let name = match name.as_str() {
                    "" => key.clone(),
                    outer => format!("{outer}.{key}"),
                };
                match value {
                    Value::Table(table) => inner.push((name, table)),
                    Value::Array(items) => {
                        let tables = items.iter().enumerate();
                        let tables = tables.filter_map(|(i, item)| Some((i, item.as_table()?)));
                        inner.extend(tables.map(|(i, table)| match (items.len(), key.as_str()) {
                            (1, "criterion") => (name.clone(), table),
                            _ => (format!("{name}[{i}]"), table),
                        }));
                    }
                    _ => {}
                }
            }
        }
        found = inner;
    }
    found
}

fn unknown(section: &str, key: &str, known: &[&str]) -> Complaint {
    let dotted = |key: &str| match section {
        "" => key.to_owned(),
        _ => format!("{section}.{key}"),
    };
    Complaint {
        key: dotted(key),
        message: "no such key in a card".to_owned(),
        hint: Some(if dotted(key) == "seed" {
            "the seeds of a card are `seeds = [1, 2, 3]`, or their number".to_owned()
        } else if experiments_config::is_key(&dotted(key)) {
            let key = dotted(key);
            format!("configuration keys belong into `[fixed]`: `\"{key}\" = …`")
        } else if let Some(near) = closest(key, known.iter().copied()) {
            format!("did you mean `{}`?", dotted(near))
        } else {
            format!("known here: {}", known.join(", "))
        }),
    }
}
