//! What the program knows by name, the documentation lists: every key, signal, detector, test, event, key of the
//! monitor and exit code, and none that there is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::pages::{Table, code, page, table, tables};
use support::variants;

fn set<T: Into<String>>(names: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    names.into_iter().map(Into::into).collect()
}

/// Both directions, so that the message names what is missing where.
fn same(what: &str, documented: &BTreeSet<String>, known: &BTreeSet<String>) {
    let missing: Vec<_> = known.difference(documented).collect();
    let superfluous: Vec<_> = documented.difference(known).collect();
    assert!(
        missing.is_empty(),
        "{what} without documentation: {missing:?}"
    );
    assert!(
        superfluous.is_empty(),
        "{what} that there is not: {superfluous:?}"
    );
}

/// The dotted keys of a table of configuration keys, each with the row that documents it. The heading names the
/// sections: `model`, or several of which each row names its own; `` `a`, `.b` `` is a key and its sibling.
fn keys_of(table: &Table) -> Vec<(String, Vec<String>)> {
    let sections: Vec<String> = code(&table.section)
        .iter()
        .map(|name| match name.strip_prefix("[[") {
            Some(list) => format!("{}[]", list.trim_end_matches(']')),
            None => name.trim_matches(['[', ']']).to_owned(),
        })
        .collect();
    let mut found = Vec::new();
    for row in table.rows.iter().skip(1) {
        let mut before = String::new();
        for name in code(&row[0]) {
            let name = match name.strip_prefix('.') {
                Some(sibling) => format!("{}.{sibling}", before.rsplit_once('.').unwrap().0),
                None => name,
            };
            let names_own = sections.iter().any(|s| name.starts_with(&format!("{s}.")));
            before = match sections.first() {
                Some(section) if !names_own => format!("{section}.{name}"),
                _ => name,
            };
            found.push((before.clone(), row.clone()));
        }
    }
    found
}

fn documented_keys() -> Vec<(String, Vec<String>)> {
    let page = page("configuration.md");
    let tables = tables(&page).into_iter();
    let of_keys = tables.filter(|table| table.rows[0][0] == "key");
    of_keys.flat_map(|table| keys_of(&table)).collect()
}

#[test]
fn every_configuration_key_is_documented() {
    let detectors = logs::alarm::DETECTORS.iter();
    let thresholds = set(detectors.map(|entry| format!("alarm.threshold.{}", entry.name)));
    let mut documented = BTreeSet::new();
    for (key, _) in documented_keys() {
        match key.as_str() {
            "alarm.threshold.NAME" => documented.extend(thresholds.clone()),
            _ => assert!(
                documented.insert(key.clone()),
                "`{key}` is documented twice"
            ),
        }
    }
    let entries = experiments_config::every_entry_key();
    let mut known = set(experiments_config::every_key());
    known.extend(entries.into_iter().map(|key| key.replace("[0]", "[]")));
    // Lists whose entries have sections of their own.
    for list in [
        "schedule",
        "intervention",
        "inject",
        "recovery.policy",
        "substitute",
        "withhold",
    ] {
        assert!(known.remove(list), "{list}");
    }
    // `non-finite` has no threshold, which its row says.
    known.extend(thresholds);
    same("keys", &documented, &known);
}

/// A default as the page prints it, if it is a value at all.
fn printed(cell: &str) -> Option<toml::Value> {
    let text = cell.trim_matches('`');
    let value = |text: &str| {
        let table: toml::Table = format!("v = {text}").parse().ok()?;
        table.get("v").cloned()
    };
    match value(text) {
        Some(value) => Some(value),
        None if cell.starts_with('`') => Some(toml::Value::String(text.to_owned())),
        None => None,
    }
}

fn number(value: &toml::Value) -> Option<f64> {
    value
        .as_float()
        .or(value.as_integer().map(|whole| whole as f64))
}

#[test]
fn printed_defaults_are_those_of_the_program() {
    let defaults = toml::Table::try_from(experiments_config::Config::default()).unwrap();
    let mut compared = 0;
    for (key, row) in documented_keys() {
        let mut value = Some(toml::Value::Table(defaults.clone()));
        for part in key.split('.') {
            value = value.and_then(|value| value.get(part).cloned());
        }
        let (Some(value), Some(printed)) = (value, printed(&row[2])) else {
            continue;
        };
        let is_same = match (number(&value), number(&printed)) {
            (Some(a), Some(b)) => a == b,
            _ => value == printed,
        };
        assert!(is_same, "`{key}` is {value} by default, not {printed}");
        compared += 1;
    }
    assert!(compared >= 70, "only {compared} defaults were compared");
}

#[test]
fn every_signal_is_documented_with_unit_and_meaning() {
    let page = page("run-directory.md");
    for (heading, per_layer) in [("scalar", false), ("per layer", true)] {
        let documented = table(&page, heading).rows.into_iter().skip(1);
        let known = logs::SIGNALS.iter();
        let known = known.filter(|signal| signal.per_layer == per_layer);
        let known = known.map(|signal| {
            let name = format!("`{}`", signal.name);
            vec![name, signal.unit.to_owned(), signal.meaning.to_owned()]
        });
        assert_eq!(documented.collect::<Vec<_>>(), known.collect::<Vec<_>>());
    }
}

#[test]
fn every_detector_is_documented_with_its_signals() {
    let page = page("spikes.md");
    let mut documented = BTreeSet::new();
    for row in table(&page, "rule").rows.iter().skip(1) {
        let signals = code(&row[1]);
        let rules = code(&row[0]);
        for (place, rule) in rules.iter().enumerate() {
            // A row of two rules gives the signal of each.
            let own = match rules.len() {
                1 => signals.join(" "),
                _ => signals[place].clone(),
            };
            documented.insert(format!("{rule}: {own}"));
        }
    }
    let known = logs::alarm::DETECTORS.iter();
    let known = known.map(|entry| format!("{}: {}", entry.name, entry.signals.join(" ")));
    same("detectors", &documented, &set(known));
}

#[test]
fn every_kind_of_event_is_documented() {
    let kinds = tables(&page("run-directory.md")).into_iter();
    let kinds = kinds
        .filter(|table| table.rows[0][0] == "kind")
        .flat_map(|table| table.names());
    // `Other` is what a newer version writes.
    let known = variants::of::<logs::EventKind>().into_iter();
    let known = known.filter(|kind| *kind != "other");
    same("kinds of events", &set(kinds), &set(known));
}

#[test]
fn every_kind_of_alarm_is_documented() {
    let page = page("run-directory.md");
    let (_, kinds) = page.split_once("what was seen: its `kind` (").unwrap();
    let documented = code(kinds.split(')').next().unwrap());
    let known = variants::of::<logs::AlarmKind>();
    same("kinds of alarms", &set(documented), &set(known));
}

#[test]
fn every_outcome_is_documented() {
    let page = page("cards-and-sweeps.md");
    let (_, rules) = page.split_once("\n## Outcomes\n").unwrap();
    let rules = rules.split("\n## ").next().unwrap().lines();
    // `3. **stuck**: the last held-out loss …`
    let documented = rules.filter_map(|line| {
        let (_, rest) = line.split_once(". **")?;
        Some(rest.split_once("**")?.0.to_owned())
    });
    same(
        "outcomes",
        &set(documented),
        &set(variants::of::<sweeps::Outcome>()),
    );
}

#[test]
fn every_key_of_the_monitor_is_documented() {
    let known = workbench_monitor::keys_markdown();
    let page = page("monitor.md");
    for section in known.split("\n\n### ") {
        assert!(
            page.contains(section.trim()),
            "not in monitor.md:\n{section}"
        );
    }
    let keys = |text: &str| -> usize {
        let tables = tables(text).into_iter();
        let keys = tables.filter(|table| table.rows[0] == ["key", "what it does"]);
        keys.map(|table| table.rows.len() - 1).sum()
    };
    assert_eq!(keys(&page), keys(&known));
}

/// What the program says that it knows where it meets `nonsense`, a key or a value of a card.
fn choices(card: &str) -> BTreeSet<String> {
    let error = sweeps::Card::parse(card, "card", std::path::Path::new(".")).unwrap_err();
    let error = error.to_string();
    let line = error.lines().find(|line| line.contains("nonsense"));
    let line = line.unwrap_or_else(|| panic!("{error}"));
    let says = ["expected", "known here:"];
    let mut known = says.iter().filter_map(|says| line.split_once(says));
    let (_, expected) = known.next().unwrap_or_else(|| panic!("{line}"));
    let expected = expected.split("(did you mean").next().unwrap();
    let words = expected.split(|c: char| !c.is_alphanumeric() && c != '_');
    set(words.filter(|word| !["", "one", "of", "or"].contains(word)))
}

fn card(metric: &str, criterion: &str) -> String {
    format!(
        "name = \"x\"\ntitle = \"x\"\nhypothesis = \"x\"\nkind = \"symptom\"\nbase = \"t0\"\nseeds = 6\n\
         [axes]\n\"model.norm\" = [\"post\", \"pre\"]\n[metric]\n{metric}\n[criterion]\n{criterion}\n\
         treatment = {{ \"model.norm\" = \"post\" }}\ncontrol = {{ \"model.norm\" = \"pre\" }}\n\
         direction = \"treatment_more\"\n"
    )
}

#[test]
fn every_test_of_a_criterion_is_documented() {
    let page = page("cards-and-sweeps.md");
    let documented = table(&page, "`test`").names();
    let known = choices(&card("name = \"loss\"", "test = \"nonsense\""));
    same("tests", &set(documented), &known);
}

#[test]
fn every_reduction_is_documented() {
    let page = page("cards-and-sweeps.md");
    let (_, listed) = page.split_once("\n`reduce` makes one number").unwrap();
    let listed = code(listed.split("\n\n").next().unwrap());
    let of_spikes = table(&page, "`reduce`").names();
    let known = choices(&card("name = \"loss\"\nreduce = \"nonsense\"", ""));
    same(
        "reductions",
        &set(listed.into_iter().chain(of_spikes)),
        &known,
    );
}

#[test]
fn every_preset_is_documented_with_its_sizes() {
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    let rows = table(&page("configuration.md"), "preset").rows;
    let documented = rows.iter().skip(1).map(|row| {
        let sizes = row[2..].iter().map(|cell| number(cell)).collect();
        (code(&row[0]).remove(0), sizes)
    });
    let known = experiments_config::preset_names().map(|name| {
        let config = experiments_config::load_preset(name, &[]).unwrap();
        let model = &config.model;
        let sizes = [
            model.layers,
            model.hidden_size,
            model.num_heads,
            model.ffn_hidden_size,
            model.seq_len,
            config.tokenizer.vocab_size,
        ];
        let sizes = sizes.iter().map(|size| *size as u64);
        (
            name.to_owned(),
            std::iter::once(config.steps).chain(sizes).collect(),
        )
    });
    assert_eq!(
        documented.collect::<BTreeMap<String, Vec<u64>>>(),
        known.collect::<BTreeMap<_, _>>()
    );
}

#[test]
fn every_gpu_is_documented() {
    let page = page("plan.md");
    let (_, listed) = page.split_once("\nCompiled in: ").unwrap();
    let listed = code(listed.split_once('.').unwrap().0);
    same(
        "GPUs",
        &set(listed),
        &set(experiments_plan::hardware::gpu_names()),
    );
}

#[test]
fn every_key_of_a_card_is_documented() {
    let page = page("cards-and-sweeps.md");
    let keys = tables(&page)
        .into_iter()
        .find(|table| table.rows[0][0] == "key")
        .unwrap();
    // `[[arm]]` and `[budget.NAME]` are the keys `arm` and `budget`.
    let documented = keys.names().into_iter().map(|key| {
        let key = key.trim_matches('[');
        let end = key.find(|c: char| !c.is_alphanumeric() && c != '_');
        key[..end.unwrap_or(key.len())].to_owned()
    });
    let known = choices(&format!("nonsense = 1\n{}", card("name = \"loss\"", "")));
    same("keys", &set(documented), &known);
    let documented = table(&page, "key in `[outcome]`").names();
    let outcome = card("name = \"loss\"\n[outcome]\nnonsense = 1", "");
    same("keys", &set(documented), &choices(&outcome));
}

#[test]
fn every_executor_is_documented() {
    let page = page("slurm.md");
    let all = tables(&page);
    let table = all.iter().find(|table| table.rows[0][0] == "executor");
    let rows = table.unwrap().rows.iter().skip(1);
    let documented = rows.flat_map(|row| code(&row[0]));
    let known = sweeps::EXECUTORS.iter().map(|entry| entry.name);
    same("executors", &set(documented), &set(known));
}
