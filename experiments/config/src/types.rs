//! Values of the wrong type, and words that are no choice: all of them, each with its key.
//!
//! A parser stops at the first. So when a table does not fit, each of its values is tried alone.

use crate::Complaint;
use crate::keys::join;
use serde::de::DeserializeOwned;
use toml::{Table, Value};
use words::did_you_mean;

/// Longest value that a message repeats, characters.
const SHOWN: usize = 60;

/// Complaints about all values of `table` that do not fit into a `T`, all of whose keys have defaults.
/// Keys that `T` does not know are left out. Items of lists are completed from the first one of the
/// same list in `schema`, where it has one.
#[must_use]
pub fn misfits<T: DeserializeOwned>(table: &Table, schema: &Table) -> Vec<Complaint> {
    let fits = |table: Table| match Value::Table(table).try_into::<T>() {
        Ok(_) => None,
        Err(error) => error.to_string().lines().next().map(str::to_owned),
    };
    let mut complaints = Vec::new();
    let search = Search { fits: &fits };
    search.table("", table, schema, &|alone| alone, &mut complaints);
    complaints
}

/// Whole numbers that were written as floats, `366e9`, where the schema has whole numbers.
pub(crate) fn whole_numbers(table: &mut Table, schema: &Table) {
    for (key, value) in table.iter_mut() {
        match (value, schema.get(key)) {
            (Value::Table(inner), Some(Value::Table(known))) => whole_numbers(inner, known),
            (Value::Array(items), Some(Value::Array(known))) => {
                if let Some(Value::Table(known)) = known.first() {
                    let tables = items.iter_mut().filter_map(Value::as_table_mut);
                    tables.for_each(|inner| whole_numbers(inner, known));
                }
            }
            (value @ Value::Float(_), Some(Value::Integer(_))) => {
                let float = value.as_float().unwrap_or(f64::NAN);
                // Up to here every whole number is a float.
                if float.fract() == 0.0 && float.abs() <= 2f64.powi(53) {
                    *value = Value::Integer(float as i64);
                }
            }
            _ => {}
        }
    }
}

struct Search<'a> {
    /// What is wrong with a table, if anything.
    fits: &'a dyn Fn(Table) -> Option<String>,
}

/// Builds the whole tree around what stands at one place.
type Around<'a> = &'a dyn Fn(Table) -> Table;

impl Search<'_> {
    fn table(
        &self,
        prefix: &str,
        table: &Table,
        schema: &Table,
        around: Around,
        complaints: &mut Vec<Complaint>,
    ) {
        for (key, value) in table {
            let problem = (self.fits)(around(with(key, value.clone())));
            let Some(problem) = problem.filter(|text| !text.starts_with("unknown field")) else {
                continue;
            };
            let before = complaints.len();
            let path = join(prefix, key);
            self.inside(&path, key, value, schema.get(key), around, complaints);
            if complaints.len() == before {
                let choices = self.choices(key, around);
                complaints.push(complaint(path, value, &problem, choices));
            }
        }
    }

    /// Looks for what is wrong inside a section or a list.
    fn inside(
        &self,
        path: &str,
        key: &str,
        value: &Value,
        schema: Option<&Value>,
        outer: Around,
        complaints: &mut Vec<Complaint>,
    ) {
        let none = Table::new();
        match value {
            Value::Table(inner) => {
                let schema = schema.and_then(Value::as_table).unwrap_or(&none);
                let around = |alone| outer(with(key, Value::Table(alone)));
                self.table(path, inner, schema, &around, complaints);
            }
            Value::Array(items) => {
                let first = schema
                    .and_then(Value::as_array)
                    .and_then(|list| list.first());
                let schema = first.and_then(Value::as_table).unwrap_or(&none);
                let around = |alone: Table| {
                    let mut item = schema.clone();
                    item.extend(alone);
                    outer(with(key, Value::Array(vec![Value::Table(item)])))
                };
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{path}[{index}]");
                    let before = complaints.len();
                    if let Value::Table(inner) = item {
                        self.table(&place, inner, schema, &around, complaints);
                    }
                    if complaints.len() == before {
                        complaints.extend(self.entry(place, key, item, outer));
                    }
                }
            }
            _ => {}
        }
    }

    /// What is wrong with an entry of a list as a whole: a key that it lacks, or its type.
    fn entry(&self, place: String, key: &str, item: &Value, around: Around) -> Option<Complaint> {
        let alone = around(with(key, Value::Array(vec![item.clone()])));
        let problem = (self.fits)(alone).filter(|text| !text.starts_with("unknown field"))?;
        Some(complaint(place, item, &problem, None))
    }

    /// The words that a key takes, where it takes words out of a few.
    fn choices(&self, key: &str, around: Around) -> Option<String> {
        let word = Value::String("?".to_owned());
        let answer = (self.fits)(around(with(key, word)))?;
        let (_, choices) = answer
            .strip_prefix("unknown variant")?
            .split_once("expected ")?;
        Some(choices.trim_start_matches("one of ").to_owned())
    }
}

fn with(key: &str, value: Value) -> Table {
    Table::from_iter([(key.to_owned(), value)])
}

fn complaint(key: String, value: &Value, problem: &str, choices: Option<String>) -> Complaint {
    let shown = shown(value);
    let Some(choices) = choices else {
        let message = match problem.rsplit_once("expected ") {
            Some((_, wanted)) => format!("is {shown}; expected {}", plain(wanted)),
            None => problem.to_owned(),
        };
        return Complaint {
            key,
            message,
            hint: None,
        };
    };
    let words = choices.split('`').skip(1).step_by(2);
    let hint = value.as_str().and_then(|word| did_you_mean(word, words));
    Complaint {
        key,
        message: format!("is {shown}; expected {choices}"),
        hint,
    }
}

/// A value for a message.
fn shown(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => {
            let short: String = text.chars().take(SHOWN).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            format!("{short:?}{more}")
        }
        value => value.to_string(),
    }
}

/// What a parser expects, without the names of the program's types.
fn plain(wanted: &str) -> &str {
    match wanted.trim() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" => "text",
        "path string" => "a path",
        "a sequence" => "a list",
        "a map" | "map" => "a table",
        wanted if wanted.starts_with("struct ") => "a table",
        wanted => wanted,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Override, load_preset};

    fn complaints(set: &[&str]) -> String {
        let set: Vec<Override> = set.iter().map(|s| s.parse().unwrap()).collect();
        load_preset("t0", &set).unwrap_err().to_string()
    }

    /// Who has three mistakes should not need three attempts, nor know the program's types.
    #[test]
    fn all_wrong_values_are_named_at_once_in_plain_words() {
        let text = complaints(&[
            "model.norm=deepnrom",
            "model.layers=six",
            "steps=1.5",
            "optimizer.lr=fast",
            "model.bias=1",
            "model=3",
            "optimizer.lrr=1",
            "runtime.kernels=3",
            "data.sources=[{ name = \"gutenberg\", language = \"en\", weight = \"x\", max_bytes = -1 }]",
        ]);
        for expected in [
            "`model`: is 3; expected a table",
            "`steps`: is 1.5; expected a whole number from 0",
            "`optimizer.lr`: is \"fast\"; expected a number",
            "`optimizer.lrr`: no such key (did you mean `optimizer.lr`?)",
            "`runtime.kernels`: is 3; expected `fused` or `plain`",
            "`data.sources[0].weight`: is \"x\"; expected a number",
            "`data.sources[0].max_bytes`: is -1; expected a whole number from 0",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let text = complaints(&["model.norm=deepnrom", "model.layers=six", "model.bias=1"]);
        for expected in [
            "`model.norm`: is \"deepnrom\"; expected `post`, `pre`",
            "(did you mean `deepnorm`?)",
            "`model.layers`: is \"six\"; expected a whole number from 0",
            "`model.bias`: is 1; expected true or false",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let text = complaints(&["schedule=[{ to = 1.0 }, { key = \"egs.alpha\", to = \"x\" }]"]);
        assert!(text.contains("`schedule[1].to`: is \"x\""), "{text}");
        let text = complaints(&["schedule=[{ to = 1.0 }]"]);
        assert!(
            text.contains("`schedule[0]`: missing field `key`"),
            "{text}"
        );
        let text = complaints(&["inject=[{ kind = \"noise\", step = 3 }, 1]"]);
        assert!(
            text.contains("`inject[1]`: is 1; expected a table"),
            "{text}"
        );
        let text = complaints(&["alarm.detectors=[\"robust-loss\", 5]"]);
        assert!(
            text.contains("`alarm.detectors[1]`: is 5; expected text"),
            "{text}"
        );
    }

    /// Large numbers are written like this, and they are whole.
    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        let set = [
            "steps=2e2",
            "data.sources=[{ name = \"gutenberg\", language = \"en\", weight = 1, max_bytes = 1e6 }]",
        ];
        let set: Vec<Override> = set.iter().map(|s| s.parse().unwrap()).collect();
        let config = load_preset("t0", &set).unwrap();
        assert_eq!(
            (config.steps, config.data.sources[0].max_bytes),
            (200, 1_000_000)
        );
        assert!(complaints(&["steps=1e300"]).contains("expected a whole number"));
    }
}
