//! One per-layer signal of a line without the rest of the line, which is forty times as long: a heat map is drawn from a thousand
//! lines while somebody waits.

use memchr::{memchr, memchr_iter, memmem};

use super::{MOST_LAYERS, Names, Record, STEP};

/// The record of a checked line with this per-layer signal alone. None where the line is not as plain as nearly all are that this
/// program writes, or lacks the signal: then it is to be read as any other.
pub(super) fn only(line: &str, signal: &str, names: &mut Names) -> Option<Record> {
    let bytes = line.as_bytes();
    // Within one object and without an escaped quote, nothing but a key is quoted and followed by a colon.
    if memchr(b'\\', bytes).is_some() || memchr_iter(b'{', bytes).count() != 1 {
        return None;
    }
    let step = behind(line, STEP)?;
    let step = &step[..step.find([',', '}'])?];
    let array = behind(line, signal)?;
    let array = &array[..=memchr(b']', array.as_bytes())?];
    let values: Vec<f64> = serde_json::from_str(array).ok()?;
    if values.len() > MOST_LAYERS {
        return None;
    }
    let mut record = Record::new(step.trim().parse().ok()?);
    let name = names.shared(signal)?;
    names.end_line(true);
    record.layers.insert(name, values);
    Some(record)
}

/// What stands behind the only key of this name.
fn behind<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let key = format!("\"{name}\":");
    let key = memmem::Finder::new(&key);
    let value = key.find(line.as_bytes())? + key.needle().len();
    let value = &line[value..];
    key.find(value.as_bytes()).is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::{Layers, parse};
    use super::*;
    use proptest::prelude::*;

    /// By the whole line.
    fn slowly(line: &str, signal: &str) -> Option<Record> {
        let record = parse::record(line, Layers::One(signal), &mut Names::default());
        let mut record = record.ok()?;
        record.scalars.clear();
        Some(record)
    }

    fn quickly(line: &str, signal: &str) -> Option<Record> {
        only(line, signal, &mut Names::default())
    }

    fn text(record: Option<Record>) -> Option<String> {
        record.map(|record| record.to_line())
    }

    #[test]
    fn a_line_that_is_not_plain_is_left_to_the_parser() {
        for line in [
            r#"{"step":3,"layer_x":[1.0,null],"nonfinite":{"layer_x[1]":"nan"}}"#,
            r#"{"step":3,"note":{"layer_x":[1.0]}}"#,
            r#"{"step":3,"note":"\"layer_x\":[1.0]"}"#,
            r#"{"step":3,"layer_x":[1.0],"layer_x":[2.0]}"#,
            r#"{"step":3,"layer_x":[[1.0]]}"#,
            r#"{"step":3,"layer_x":[1.0,null]}"#,
            r#"{"step":3,"layer_x":[1.0"#,
            r#"{"step":3,"layer_x":7.0,"layer_y":[1.0]}"#,
            r#"{"step":3,"layer_y":[1.0]}"#,
            r#"{"layer_x":[1.0]}"#,
            r#"{"step":-3,"layer_x":[1.0]}"#,
        ] {
            assert_eq!(quickly(line, "layer_x"), None, "{line}");
        }
    }

    #[test]
    fn a_plain_line_is_read_wherever_its_keys_stand() {
        for line in [
            r#"{"layer_x_y":[9.0],"loss":1.5,"layer_x":[1.0, 2e-3,-0],"step":3}"#,
            r#"{ "step": 3 ,"layer_x": [ 1 ],"crc":"12345678"}"#,
            r#"{"step":3,"layer_x":[],"layer_y":[1.0]}"#,
        ] {
            let read = quickly(line, "layer_x");
            assert!(read.is_some(), "{line}");
            assert_eq!(text(read), text(slowly(line, "layer_x")));
        }
    }

    proptest! {
        #[test]
        fn prop_what_is_read_is_what_the_parser_reads(
            step in 0..u64::MAX,
            x in prop::collection::vec(any::<f64>(), 0..30),
            y in prop::collection::vec(any::<f64>(), 0..30),
            loss in any::<f64>(),
        ) {
            let mut record = Record::new(step);
            record.set_named("loss", loss);
            record.set_layers_named("layer_x", x);
            record.set_layers_named("layer_x_y", y);
            let line = record.to_line();
            if let Some(read) = quickly(&line, "layer_x") {
                prop_assert_eq!(text(Some(read)), text(slowly(&line, "layer_x")));
            }
        }
    }
}
