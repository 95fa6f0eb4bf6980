use super::*;
use proptest::prelude::*;

/// Equality in which NaN equals NaN: the bits are what a reader must get back.
fn same(a: &Record, b: &Record) -> bool {
    let bits = |v: f64| if v.is_nan() { u64::MAX } else { v.to_bits() };
    let scalars = |r: &Record| -> Vec<_> {
        r.scalars
            .iter()
            .map(|(k, v)| (k.clone(), bits(*v)))
            .collect()
    };
    let layers = |r: &Record| -> Vec<_> {
        r.layers
            .iter()
            .map(|(k, v)| (k.clone(), v.iter().map(|v| bits(*v)).collect::<Vec<_>>()))
            .collect()
    };
    a.step == b.step && scalars(a) == scalars(b) && layers(a) == layers(b)
}

#[test]
fn nonfinite_numbers_are_null_in_place_and_named_aside() {
    let mut record = Record::new(7);
    record.set_named("loss", f64::NAN);
    record.set_named("lr", 0.001);
    record.set_layers_named(
        "layer_grad_norm",
        vec![1.0, f64::INFINITY, f64::NEG_INFINITY],
    );
    let line = record.to_line();
    assert!(
        line.starts_with(
            r#"{"step":7,"loss":null,"lr":0.001,"layer_grad_norm":[1.0,null,null],"nonfinite":{"loss":"nan","layer_grad_norm[1]":"inf","layer_grad_norm[2]":"-inf"},"crc":""#
        ),
        "{line}"
    );
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(json["loss"].is_null(), "any JSON reader accepts the line");
    assert!(same(&Record::parse_line(&line).unwrap(), &record));
}

#[test]
fn values_are_found_by_name_and_layer() {
    let mut record = Record::new(1);
    record.set_named("skipped", 1.0);
    record.set_layers_named("layer_grad_norm", vec![0.5, 0.25]);
    assert_eq!(record.value("layer_grad_norm[1]"), Some(0.25));
    assert_eq!(record.value("layer_grad_norm[2]"), None);
    assert_eq!(record.value("skipped"), Some(1.0));
    assert!(record.skipped());
}

#[test]
fn fields_of_a_newer_version_do_not_stop_reading() {
    let line = line::seal(
        r#"{"step":1,"loss":2.5,"phase":"warm-up","ok":true,"host":{"a":[1]},"absent":null"#.into(),
    );
    let record = Record::parse_line(&line).unwrap();
    assert_eq!(record.scalars.len(), 1);
    assert_eq!(record.scalar("loss"), Some(2.5));
}

#[test]
fn a_whole_line_without_a_step_is_refused() {
    let error = Record::parse_line(&line::seal("{\"loss\":1.0".into())).unwrap_err();
    assert!(error.to_string().contains("step"), "{error}");
}

#[test]
fn names_the_format_cannot_carry_are_refused() {
    for name in ["", "step", "crc", "nonfinite", "loss[0]"] {
        let mut record = Record::new(1);
        record.set_named(name, 1.0);
        assert!(record.check().is_err(), "{name}");
    }
    let mut record = Record::new(1);
    record.set_named("both", 1.0);
    record.set_layers_named("both", vec![1.0]);
    assert!(record.check().is_err());
}

/// A line of megabytes must not take gigabytes, and what no reader takes is not written either.
#[test]
fn what_a_line_may_hold_is_bounded() {
    let array = format!("{{\"step\":1,\"x\":[{}0]", "0,".repeat(MOST_LAYERS));
    let names: Vec<String> = (0..=MOST_NAMES).map(|i| format!("\"n{i}\":0")).collect();
    let names = names.join(",");
    for (text, expected) in [
        (array, "an array has more than 65536 values"),
        (
            format!("{{\"step\":1,{names}"),
            "the run has more than 1024 names",
        ),
    ] {
        let line = line::seal(text);
        for layers in [Layers::All, Layers::None] {
            let read = Record::parse_bytes(line.as_bytes(), layers, &mut Names::default());
            let error = read.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
    let mut record = Record::new(1);
    record.set_layers_named("x", vec![0.0; MOST_LAYERS]);
    assert!(record.check().is_ok());
    assert_eq!(Record::parse_line(&record.to_line()).unwrap(), record);
    record.set_layers_named("x", vec![0.0; MOST_LAYERS + 1]);
    assert!(matches!(record.check(), Err(LogError::Large { .. })));
}

/// The step, the checksum and what is not finite are keys of the line and take no signal's place.
#[test]
fn as_many_names_as_are_written_are_read() {
    let mut record = Record::new(1);
    for i in 0..MOST_NAMES {
        record.set_named(&format!("n{i}"), 0.5);
    }
    record.set_named("n7", f64::NEG_INFINITY);
    assert!(record.check().is_ok());
    assert_eq!(Record::parse_line(&record.to_line()).unwrap(), record);
    record.set_named("one_more", 0.5);
    assert!(matches!(record.check(), Err(LogError::Large { .. })));
}

/// One line of noise must not cost the records after it.
#[test]
fn the_names_of_a_refused_line_are_forgotten() {
    let names: Vec<String> = (0..=MOST_NAMES).map(|i| format!("\"n{i}\":0")).collect();
    let noise = line::seal(format!("{{\"step\":1,{}", names.join(",")));
    let mut names = Names::default();
    let mut read = |line: &str| Record::parse_bytes(line.as_bytes(), Layers::All, &mut names);
    assert!(read(&noise).is_err());
    let mut record = Record::new(2);
    record.set_named("held_out_loss", 3.0);
    assert_eq!(read(&record.to_line()).unwrap(), record);
}

/// A run has thousands of records with the same names.
#[test]
fn records_of_a_run_share_their_names() {
    let line = line::seal("{\"step\":1,\"loss\":2.5".into());
    let mut names = Names::default();
    let mut read = || Record::parse_bytes(line.as_bytes(), Layers::All, &mut names).unwrap();
    let (first, second) = (read(), read());
    let name = |record: &Record| record.scalars.keys().next().unwrap().as_ptr();
    assert_eq!(name(&first), name(&second));
}

#[test]
fn layers_can_be_passed_over() {
    let mut record = Record::new(3);
    record.set_named("loss", f64::INFINITY);
    record.set_layers_named("layer_grad_norm", vec![f64::NAN, 1.0]);
    let read = Record::parse_bytes(
        record.to_line().as_bytes(),
        Layers::None,
        &mut Names::default(),
    )
    .unwrap();
    assert_eq!(read.scalar("loss"), Some(f64::INFINITY));
    assert!(read.layers.is_empty());
}

#[test]
fn nested_arrays_of_a_newer_version_are_passed_over() {
    let text = r#"{"step":1,"shape":[[1,2],["]"]],"loss":2.5,"layer_x":[1.0,2.0],"lr":0.5"#;
    for layers in [Layers::All, Layers::None] {
        let read = Record::parse_bytes(
            line::seal(text.into()).as_bytes(),
            layers,
            &mut Names::default(),
        )
        .unwrap();
        let names: Vec<_> = read.scalars.keys().collect();
        assert_eq!(names, [&Name::from("loss"), &Name::from("lr")]);
        assert_eq!(read.layers.len(), usize::from(layers == Layers::All));
    }
}

fn number() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn record() -> impl Strategy<Value = Record> {
    (
        any::<u64>(),
        prop::collection::btree_map("[a-z_\"\\\\é]{1,6}", number(), 0..6),
        prop::collection::btree_map(
            "layer_[a-z/ ]{0,4}",
            prop::collection::vec(number(), 0..5),
            0..4,
        ),
    )
        .prop_map(|(step, scalars, layers)| {
            let mut record = Record::new(step);
            for (name, value) in &scalars {
                record.set_named(name, *value);
            }
            for (name, values) in layers {
                record.set_layers_named(&name, values);
            }
            record
        })
}

proptest! {
    #[test]
    fn every_record_reads_back_bit_for_bit(record in record()) {
        prop_assume!(record.check().is_ok());
        let line = record.to_line();
        prop_assert!(same(&Record::parse_line(&line).unwrap(), &record));
        let scalars = Record { layers: BTreeMap::new(), ..record };
        prop_assert!(same(&Record::parse_bytes(line.as_bytes(), Layers::None, &mut Names::default()).unwrap(), &scalars));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = Record::parse_line(&text);
        let _ = Record::parse_bytes(&bytes, Layers::All, &mut Names::default());
        let _ = Record::parse_line(&line::seal(text));
    }
}

#[test]
fn records_differ_in_what_was_computed_and_in_nothing_else() {
    let record = |loss: f64, seconds: f64| {
        let mut record = Record::new(3);
        record.set_named("loss", loss);
        record.set_named("step_seconds", seconds);
        record.set_named("grad_norm", f64::NAN);
        record.set_layers_named("layer_grad_norm", vec![1.0, loss]);
        record
    };
    let first = record(2.5, 0.1);
    let mut second = record(2.5, 0.2);
    second.set_named("held_out_loss", 2.0);
    assert_eq!(first.differing(&second), [""; 0]);
    second.set_named("of_a_later_version", 1.0);
    assert_eq!(first.differing(&second), [""; 0]);
    let last_bit = f64::from_bits(2.5_f64.to_bits() + 1);
    let other = record(last_bit, 0.1);
    assert_eq!(other.differing(&first), ["layer_grad_norm[1]", "loss"]);
}
