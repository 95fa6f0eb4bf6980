use crate::{Config, Override, PolicyKind, load_preset};

fn config(set: &[&str]) -> Result<Config, String> {
    let set: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
    load_preset("t0", &set).map_err(|error| error.to_string())
}

/// A card's arm without a policy is the run of before, whatever else the card says about policies.
#[test]
fn a_policy_of_none_is_no_policy_and_changes_no_hash() {
    let base = config(&[]).unwrap();
    assert!(!base.to_toml().contains("recovery"));
    let policy = |kind: &str| format!("recovery.policy=[{{ kind = \"{kind}\", skip_steps = 3 }}]");
    let none = config(&[&policy("none"), "recovery.limit=2"]).unwrap();
    assert_eq!((none.hash(), none.to_toml()), (base.hash(), base.to_toml()));
    let skip = config(&[&policy("skip")]).unwrap();
    assert_ne!(skip.hash(), base.hash());
    assert_eq!(skip.recovery.policy[0].kind, PolicyKind::Skip);
    let table = toml::from_str(&skip.to_toml()).unwrap();
    assert_eq!(crate::resolve(table, &[], "test").unwrap(), skip);
}

/// Who watches changes nothing of a run, unless what is seen changes it.
#[test]
fn detectors_are_part_of_the_hash_where_a_policy_acts_on_them() {
    let skip = "recovery.policy=[{ kind = \"skip\" }]";
    let hash = |set: &[&str]| config(set).unwrap().hash();
    let threshold = "alarm.threshold.robust-loss=9";
    assert_eq!(hash(&[]), hash(&[threshold]));
    assert_ne!(hash(&[skip]), hash(&[skip, threshold]));
    assert_eq!(hash(&[skip]), hash(&[skip, "alarm.action=bell"]));
}

#[test]
fn a_change_is_the_configuration_of_its_steps() {
    let set = "recovery.policy=[{ kind = \"change\", set = [\"egs.alpha=0.1\", \"precision.format=fp32\", \"precision.grad_accumulation=fp32\"] }]";
    let config = config(&[set]).unwrap();
    let changed = config.changed_by(&config.recovery.policy[0]).unwrap();
    assert_eq!(changed.egs.alpha, 0.1);
    assert_eq!(changed.precision.format, crate::Format::Fp32);
    assert_eq!(changed.recovery, config.recovery);
}

#[test]
fn what_cannot_act_is_refused_by_its_key() {
    let policy = |rest: &str| format!("recovery.policy=[{{ {rest} }}]");
    let change = |set: &str| policy(&format!("kind = \"change\", set = [{set}]"));
    let skip = policy("kind = \"skip\"");
    let noise = "inject=[{ kind = \"noise\", step = 3 }]".to_owned();
    let cases: [(&[String], &str); 16] = [
        (&["recovery.limit=3".into()], "`recovery`: has no effect"),
        (&[policy("kind = \"skipp\"")], "did you mean `skip`?"),
        (
            &[policy("kind = \"skip\", skip_steps = 0")],
            "policy[0].skip_steps`: is 0",
        ),
        (
            &[policy("kind = \"cut_lr\", factor = 0")],
            "policy[0].factor`: is 0",
        ),
        (
            &[policy("kind = \"cut_lr\", factor = nan")],
            "policy[0].factor",
        ),
        (
            &[policy("kind = \"rollback_skip\", rollback_steps = 0")],
            "rollback_steps`: is 0",
        ),
        (
            &[policy("kind = \"skip\", skip_step = 1")],
            "`recovery.policy[0].skip_steps`",
        ),
        (&[policy("kind = \"change\"")], "policy[0].set`: is empty"),
        (&[change("\"egs.alfa=0.1\"")], "did you mean `egs.alpha`?"),
        (&[change("\"egs.alpha\"")], "not of the form key=value"),
        (
            &[change("\"steps=7\"")],
            "`steps` cannot be another for some steps",
        ),
        (
            &[change("\"model.layers=3\"")],
            "would change the parameters",
        ),
        (
            &[skip.clone(), "recovery.detectors=[\"robst-loss\"]".into()],
            "did you mean `robust-loss`?",
        ),
        (
            &[skip.clone(), "alarm.detectors=[\"clip\"]".into()],
            "not among `alarm.detectors`",
        ),
        (
            &[skip.clone(), "recovery.limit=0".into()],
            "`recovery.limit`: is 0",
        ),
        (
            &[change("\"batch.micro_batch=4\""), noise],
            "batches that change their size",
        ),
    ];
    for (set, expected) in cases {
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let error = config(&set).unwrap_err();
        assert!(error.contains(expected), "{set:?}: {error}");
    }
    let moved = "schedule=[{ key = \"egs.alpha\", start = 3, to = 0.5 }]";
    let error = config(&[moved, &change("\"egs.alpha=0.1\"")]).unwrap_err();
    assert!(error.contains("moved by `[[schedule]]`"), "{error}");
}
