//! What holds of every statistical test.

pub(super) mod sign;

use super::wire::WireCriterion;
use super::{Fields, TESTS, TestKind, test_names};

/// All keys that any test has.
const ALL: &str = r#"
treatment = { "model.norm" = "post" }
control = { "model.norm" = "pre" }
minus = { treatment = {}, control = {} }
pool = ["model.layers"]
at = { "model.norm" = "post" }
along = "model.layers"
event = ["stuck"]
margin = 0.1
inside = [0.0, 1.0]
"#;

/// A key that is accepted and then not read would be a decision that is not taken, and one that is read and
/// not accepted could not be given.
#[test]
fn every_test_reads_the_keys_it_has() {
    for test in TESTS {
        let wire: WireCriterion = toml::from_str(ALL).unwrap();
        let mut complaints = Vec::new();
        let mut fields = Fields::new(wire, test.name, "criterion", &mut complaints);
        (test.read)(&mut fields);
        let rest = fields.rest();
        let read = [
            ("treatment", rest.treatment.is_none()),
            ("control", rest.control.is_none()),
            ("minus", rest.minus.is_none()),
            ("pool", rest.pool.is_none()),
            ("at", rest.at.is_none()),
            ("along", rest.along.is_none()),
            ("event", rest.event.is_none()),
            ("margin", rest.margin.is_none()),
            ("bound", rest.inside.is_none()),
        ];
        for (key, is_read) in read {
            // Of two doses no axis is pooled over: along one axis the runs of all others would be.
            let alone = key == "pool" && test.name == "ld50";
            let has = test.keys().contains(&key);
            assert!(has == is_read || alone, "{}: {key}", test.name);
        }
        let asks = complaints
            .iter()
            .any(|one| one.key == "criterion.direction");
        assert_eq!(asks, test.keys().contains(&"direction"), "{}", test.name);
    }
}

/// What was once the list of keys of a misspelt test, and of one that is no word at all.
#[test]
fn no_test_is_taken_for_another() {
    assert!(TestKind::of("fischer").is_none());
    assert_eq!(super::method("fischer"), None);
    let known = test_names().map(|name| TestKind::of(name).map(|kind| kind.name));
    assert!(known.eq(test_names().map(Some)));
}
