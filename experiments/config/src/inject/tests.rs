use crate::*;

fn with(text: &str) -> Result<Config, ConfigError> {
    resolve(toml::from_str(text).unwrap(), &[], "test")
}

fn entry(text: &str) -> Result<Config, ConfigError> {
    with(&format!("steps = 200\ninject = [{{ {text} }}]"))
}

#[test]
fn a_planted_cause_touches_its_steps_and_no_others() {
    let config = with(
        r#"steps = 200
        inject = [
          { kind = "noise", step = 5, steps = 3 },
          { kind = "weight", step = 7, tensor = "final_norm.weight", factor = 2 },
        ]"#,
    )
    .unwrap();
    let kinds = |step| -> Vec<_> { config.injected_at(step).map(|i| i.kind).collect() };
    assert!(kinds(4).is_empty() && kinds(8).is_empty());
    assert_eq!(kinds(5), [InjectKind::Noise]);
    assert_eq!(kinds(7), [InjectKind::Noise, InjectKind::Weight]);
}

/// The arm of a card that goes without is the run that never heard of it.
#[test]
fn an_entry_that_plants_nothing_leaves_the_configuration_and_its_hash() {
    let without = with("steps = 200").unwrap();
    let none = entry(r#"kind = "none", step = 9, n = 4, factor = 2.0"#).unwrap();
    assert_eq!(none, without);
    assert_eq!(none.hash(), without.hash());
    assert!(!without.to_toml().contains("inject"));
    let noise = entry(r#"kind = "noise", step = 9"#).unwrap();
    assert_ne!(noise.hash(), without.hash());
    let table = toml::from_str(&noise.to_toml()).unwrap();
    assert_eq!(resolve(table, &[], "again").unwrap(), noise);
}

#[test]
fn what_cannot_be_planted_is_refused_by_name_with_the_nearest() {
    for (text, expected) in [
        (
            r#"kind = "nois", step = 5"#,
            "`inject[0].kind`: is \"nois\"; expected `none`, `noise`",
        ),
        (r#"kind = "nois", step = 5"#, "did you mean `noise`?"),
        (
            r#"kind = "noise", stepp = 5, step = 5"#,
            "did you mean `inject[0].step`?",
        ),
        (
            r#"kind = "noise", step = 201"#,
            "`inject[0].step`: is 201, expected one of the run's steps 1 to 200 (the nearest is 200)",
        ),
        (r#"kind = "noise", step = 0"#, "the nearest is 1"),
        (
            r#"kind = "none", step = 201"#,
            "expected one of the run's steps",
        ),
        (
            r#"kind = "noise", step = 199, steps = 3"#,
            "`inject[0].steps`: is 3; from step 199 to the run's last, 200, expected 1 to 2",
        ),
        (
            r#"kind = "noise", step = 5, steps = 9223372036854775807"#,
            "expected 1 to 196",
        ),
        (r#"kind = "noise", step = 5, steps = 0"#, "inject[0].steps"),
        (
            r#"kind = "repeated_ngram", step = 5"#,
            "`inject[0].n`: is missing; `repeated_ngram` needs 1 to 32 tokens",
        ),
        (
            r#"kind = "repeated_ngram", step = 5, n = 33"#,
            "is 33, expected 1 to 32",
        ),
        (
            r#"kind = "weight", step = 5, factor = 2.0"#,
            "`inject[0].tensor`: is missing",
        ),
        (
            r#"kind = "weight", step = 5, factor = 2.0, tensor = "layers.0.ffn.upp.weight""#,
            "did you mean `layers.0.ffn.up.weight`?",
        ),
        (
            r#"kind = "weight", step = 5, tensor = "final_norm.bias""#,
            "`inject[0].factor`",
        ),
        (
            r#"kind = "weight", step = 5, factor = nan, tensor = "final_norm.bias""#,
            "is NaN, must be a number that FP32 holds",
        ),
        (
            r#"kind = "weight", step = 5, factor = -1e39, tensor = "final_norm.bias""#,
            "is -1e39, must be a number that FP32 holds",
        ),
        (
            r#"kind = "weight", step = 5, factor = 2, tensor = "final_norm.bias", element = 64"#,
            "is 64, `final_norm.bias` has the elements 0 to 63",
        ),
        (
            r#"kind = "weight", step = 5, steps = 2, factor = 2, tensor = "final_norm.bias""#,
            "a weight is multiplied once",
        ),
    ] {
        let error = entry(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_probe_has_nothing_planted() {
    let error =
        with("steps = 3\nprobe.kind = \"egs_twin\"\ninject = [{ kind = \"noise\", step = 1 }]");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("measures instead of training"), "{error}");
}
