//! The set of legal keys, derived from one fully written configuration.

use crate::{
    AlarmConfig, Complaint, Config, InitConfig, Inject, InjectKind, Intervention, PlanOnly, Policy,
    PolicyKind, ProbeKind, ScaleFall, ScheduleEntry, ScheduledKey, Source, Substitute,
    SubstituteKind, TaskSource, Unit, Withhold,
};
use std::path::PathBuf;
use toml::{Table, Value};
use words::did_you_mean;

/// A configuration with every optional key present: the schema of the tree.
pub(crate) fn full() -> Table {
    let mut config = Config::default();
    config.model.init = InitConfig {
        embedding_std: Some(0.02),
        gain: Some(1.0),
        qk_gain: Some(1.0),
        weights: Some(PathBuf::new()),
        weights_blake3: Some(String::new()),
    };
    config.model.plan_only = PlanOnly::full();
    config.eval.last_word = 1;
    config.eval.quantized = true;
    config.record.noise_interval = 1;
    config.precision.fp32_head = true;
    config.precision.saturate_gradients = true;
    config.precision.loss_scale.fall = ScaleFall::ToOverflow;
    // 64 would be left out.
    config.checkpoint.ring_interval = 0;
    config.checkpoint.ring_bytes = Some(0);
    config.alarm = AlarmConfig::full();
    config.recovery.policy = vec![Policy::new(PolicyKind::Skip)];
    config.probe.kind = ProbeKind::UpdateLaw;
    config.optimizer.embedding_lr_scale = 0.0;
    fill_lists(&mut config);
    Table::try_from(&config).expect("a Config is representable in TOML")
}

/// One entry of every list, with every optional key.
fn fill_lists(config: &mut Config) {
    config.data.sources = vec![Source {
        name: Some(String::new()),
        path: Some(PathBuf::new()),
        blake3: Some(String::new()),
        ..Source::default()
    }];
    config.tasks.sources = vec![TaskSource {
        name: Some(String::new()),
        path: Some(PathBuf::new()),
        blake3: Some(String::new()),
        input: Some(String::new()),
        target: Some(String::new()),
        ..TaskSource::default()
    }];
    config.schedule = vec![ScheduleEntry {
        key: ScheduledKey::Lr,
        unit: Unit::Steps,
        start: 0,
        length: 0,
        from: Some(0.0),
        to: Some(0.0),
        factor: Some(0.0),
        increment: Some(0.0),
    }];
    config.intervention = vec![Intervention {
        step: 0,
        skip_steps: 0,
    }];
    config.inject = vec![Inject {
        kind: InjectKind::Noise,
        step: 0,
        // 1 would be left out.
        steps: 0,
        n: Some(0),
        tensor: Some(String::new()),
        element: Some(0),
        factor: Some(0.0),
    }];
    config.substitute = vec![Substitute {
        kind: SubstituteKind::Other,
        step: 0,
        steps: 0,
    }];
    config.withhold = vec![Withhold {
        tensors: String::new(),
        step: 0,
        steps: 0,
    }];
}

/// Every dotted key with a value, in file order, for example `model.layers`.
#[must_use]
pub fn every_key() -> Vec<String> {
    fn walk(prefix: &str, table: &Table, keys: &mut Vec<String>) {
        for (key, value) in table {
            let path = join(prefix, key);
            match value {
                Value::Table(inner) => walk(&path, inner, keys),
                _ => keys.push(path),
            }
        }
    }
    let mut keys = Vec::new();
    walk("", &full(), &mut keys);
    keys
}

/// Whether `key` is a dotted key with a value, also one of a list's entries: `schedule[0].to`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    value_of(&full(), key).is_some_and(|value| !value.is_table())
}

/// The value of a dotted key in the schema, where every entry of a list is like the first.
fn value_of(schema: &Table, key: &str) -> Option<Value> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let value = match item(first) {
        Some((list, _)) => schema.get(list)?.as_array()?.first()?,
        None => schema.get(first)?,
    };
    match rest {
        None => Some(value.clone()),
        Some(rest) => value_of(value.as_table()?, rest),
    }
}

/// `schedule[3]` as a list and the place of one of its entries. A place is written in one way only.
pub(crate) fn item(part: &str) -> Option<(&str, usize)> {
    let (list, place) = part.strip_suffix(']')?.split_once('[')?;
    let index: usize = place.parse().ok()?;
    (!list.is_empty() && index.to_string() == place).then_some((list, index))
}

/// Whether `key` is a dotted key whose value is a whole number.
#[must_use]
pub fn is_whole_number(key: &str) -> bool {
    matches!(value_of(&full(), key), Some(Value::Integer(_)))
}

/// ``did you mean `optimizer.lr`?``: the legal key that `key` is most likely a misspelling of. The last
/// component weighs most: `lr` finds `optimizer.lr`.
#[must_use]
pub fn key_hint(key: &str) -> Option<String> {
    match key.rsplit_once("].") {
        Some((entry, _)) => did_you_mean(key, entry_keys(entry)),
        None => did_you_mean(key, every_key()),
    }
}

/// The keys of the entries of every list, written as those of the first: `schedule[0].to`.
#[must_use]
pub fn every_entry_key() -> Vec<String> {
    entry_keys("[0")
}

/// The keys of an entry of every list, at the place that `entry`, such as `schedule[0`, names.
fn entry_keys(entry: &str) -> Vec<String> {
    // A place that is none, as in `inject[-1].step`, is a mistake of its own.
    let is_place = |place: &&str| item(&format!("list[{place}]")).is_some();
    let place = entry.rsplit_once('[').map(|(_, place)| place);
    let place = place.filter(is_place).unwrap_or("0");
    let schema = full();
    let mut keys = Vec::new();
    for list in every_key() {
        let value = value_of(&schema, &list);
        let items = value.as_ref().and_then(Value::as_array);
        let first = items.and_then(|items| items.first());
        let known = first.and_then(Value::as_table).into_iter();
        keys.extend(
            known
                .flat_map(Table::keys)
                .map(|key| format!("{list}[{place}].{key}")),
        );
    }
    keys
}

/// The key that was probably meant. Items of lists are only like one another.
fn suggestion(prefix: &str, path: &str, schema: &Table) -> Option<String> {
    let siblings = did_you_mean(path, schema.keys().map(|k| join(prefix, k)));
    if prefix.ends_with(']') {
        siblings
    } else {
        key_hint(path).or(siblings)
    }
}

/// Complaints about every key of `table` that the tree does not know.
pub(crate) fn unknown_keys(table: &Table, schema: &Table) -> Vec<Complaint> {
    fn walk(prefix: &str, table: &Table, schema: &Table, complaints: &mut Vec<Complaint>) {
        for (key, value) in table {
            let path = join(prefix, key);
            match (value, schema.get(key)) {
                (_, None) => complaints.push(Complaint {
                    hint: suggestion(prefix, &path, schema),
                    message: "no such key".to_owned(),
                    key: path,
                }),
                (Value::Table(inner), Some(Value::Table(known))) => {
                    walk(&path, inner, known, complaints);
                }
                (Value::Array(items), Some(Value::Array(known))) => {
                    let Some(Value::Table(known)) = known.first() else {
                        continue;
                    };
                    for (index, item) in items.iter().enumerate() {
                        if let Value::Table(inner) = item {
                            walk(&format!("{path}[{index}]"), inner, known, complaints);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let mut complaints = Vec::new();
    walk("", table, schema, &mut complaints);
    complaints
}

/// A dotted key.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_find_their_neighbour() {
        for (key, near) in [
            ("optimizer.lrr", "optimizer.lr"),
            ("lr", "optimizer.lr"),
            ("model.num_head", "model.num_heads"),
            ("inject[2].kid", "inject[2].kind"),
            ("injct[2].kind", "inject[2].kind"),
            // Nobody is told to write what was refused.
            ("inject[-1].step", "inject[0].step"),
            ("inject[].step", "inject[0].step"),
            ("inject[01].step", "inject[0].step"),
        ] {
            let hint = format!("did you mean `{near}`?");
            assert_eq!(key_hint(key), Some(hint), "{key}");
        }
        assert_eq!(key_hint("qqqqqq"), None);
    }

    #[test]
    fn optional_keys_are_known() {
        for key in [
            "model.init.embedding_std",
            "model.init.qk_gain",
            "eval.last_word",
            "eval.quantized",
            "probe.kind",
            "probe.score",
        ] {
            assert!(is_key(key), "{key}");
        }
        assert!(!is_key("model.init"));
    }

    #[test]
    fn keys_of_a_lists_entries_are_known() {
        for key in [
            "schedule[0].to",
            "inject[12].kind",
            "data.sources[1].weight",
        ] {
            assert!(is_key(key), "{key}");
        }
        for key in [
            "schedule[0]",
            "schedule[].to",
            "schedule[-1].to",
            "schedule[+1].to",
            "schedule[00].to",
            "[0].to",
            "schedule[0.to",
            "schedule0].to",
            "schedule[0][1].to",
            "schedule[99999999999999999999].to",
            "model[0].layers",
            "inject.kind",
        ] {
            assert!(!is_key(key), "{key}");
        }
    }

    #[test]
    fn the_type_of_a_key_is_known() {
        for key in ["steps", "model.layers", "eval.last_word", "inject[0].step"] {
            assert!(is_whole_number(key), "{key}");
        }
        for key in [
            "optimizer.lr",
            "optimizer.weight_decay",
            "egs.alpha",
            "model.init.gain",
            "model.norm",
            "model.init",
            "model.layers.x",
            "inject[0].factor",
            "nonsense",
        ] {
            assert!(!is_whole_number(key), "{key}");
        }
    }
}
