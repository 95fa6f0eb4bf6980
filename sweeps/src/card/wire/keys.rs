//! The keys of a card, and what is said about others.

use crate::criterion::{BOUNDS, DEFAULT_TEST, TESTS, TestKind};
use experiments_config::Complaint;
use toml::{Table, Value};

/// Keys of `[criterion]` that hold for every test; [`TestKind::keys`] has the others.
const ANY_TEST: [&str; 7] = ["name", "claim", "role", "test", "metric", "alpha", "expect"];

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
pub(in crate::card) fn misspelt(table: &Table) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (pattern, known) in KEYS {
        for (section, inner) in sections(table, pattern) {
            for key in inner.keys().filter(|key| !known.contains(&key.as_str())) {
                complaints.push(unknown(&section, key, known));
            }
        }
    }
    for (section, criterion) in sections(table, "criterion") {
        misspelt_in(&section, criterion, &mut complaints);
    }
    complaints
}

/// Complaints about the keys of one criterion. What an unknown test needs is not known either; it has
/// a complaint of its own.
fn misspelt_in(section: &str, criterion: &Table, complaints: &mut Vec<Complaint>) {
    let test = match criterion.get("test") {
        None => TestKind::of(DEFAULT_TEST),
        Some(word) => word.as_str().and_then(TestKind::of),
    };
    let known = match test {
        Some(test) => criterion_keys(test),
        None => TESTS.iter().flat_map(criterion_keys).collect(),
    };
    for key in criterion
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
    {
        let foreign = test.and_then(|test| foreign(section, key, test));
        complaints.push(foreign.unwrap_or_else(|| unknown(section, key, &known)));
    }
}

/// The complaint about a key that belongs to other tests.
fn foreign(section: &str, key: &str, test: &TestKind) -> Option<Complaint> {
    let having = TESTS
        .iter()
        .filter(|other| criterion_keys(other).contains(&key));
    let having: Vec<String> = having.map(|other| format!("`{}`", other.name)).collect();
    let own = test.keys().join(", ").replace("bound", "a bound");
    (!having.is_empty()).then(|| Complaint {
        key: format!("{section}.{key}"),
        message: format!("is no key of the test `{}`, which has {own}", test.name),
        hint: Some(format!("it belongs to {}", having.join(", "))),
    })
}

/// All keys of a criterion with this test.
fn criterion_keys(test: &TestKind) -> Vec<&'static str> {
    let mut keys = ANY_TEST.to_vec();
    for key in test.keys() {
        match *key {
            "bound" => keys.extend(BOUNDS),
            key => keys.push(key),
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
        } else if let Some(near) = words::closest(key, known) {
            format!("did you mean `{}`?", dotted(near))
        } else {
            format!("known here: {}", known.join(", "))
        }),
    }
}
