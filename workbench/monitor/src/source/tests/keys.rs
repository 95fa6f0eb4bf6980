//! Runs are filtered and grouped by whatever stands in their `run.toml`.

use super::*;

fn shared(dir: &Path) -> Shared {
    Shared::new(open(&[dir], &[]).unwrap())
}

/// Only axes of the card and columns of the table were keys.
#[test]
fn any_key_of_a_configuration_filters_and_groups() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep(&dir.path().join("s"));
    for (number, run) in sweep.runs().iter().enumerate() {
        let file = sweep.run_dir(&run.id).join("run.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let lr = if number < 3 { "0.5" } else { "0.25" };
        let text = text
            .lines()
            .map(|line| {
                if line.starts_with("lr = ") {
                    format!("lr = {lr}\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect::<String>();
        assert!(
            text.contains(&format!("lr = {lr}")),
            "the key is there: {text}"
        );
        std::fs::write(&file, text).unwrap();
    }
    let mut shared = shared(sweep.dir());
    let taken = |shared: &Shared| shared.runs().filter(|run| shared.is_shown(*run)).count();
    shared.set_filter("optimizer.lr>=0.5").unwrap();
    assert_eq!(taken(&shared), 3);
    shared.set_filter("lr=0.25 norm=post").unwrap();
    assert!((1..5).contains(&taken(&shared)));
    shared.set_filter("!lr=0.25").unwrap();
    assert_eq!(taken(&shared), 3);
    shared.set_filter("").unwrap();
    shared.group_by("lr").unwrap();
    let names = shared
        .groups
        .looks
        .arms
        .iter()
        .map(|look| look.name.clone());
    assert_eq!(names.collect::<Vec<_>>(), ["lr=0.5", "lr=0.25"]);
    let typo = shared.set_filter("optimizer.lrr=1").unwrap_err();
    assert!(typo.contains("did you mean `optimizer.lr`?"), "{typo}");
    assert!(shared.all_keys().contains(&"optimizer.lr".to_owned()));
    // What is no longer there is no value.
    let first = sweep.run_dir(&sweep.runs()[0].id).join("run.toml");
    std::fs::write(first, "[[schedule]]\nto = 3\n").unwrap();
    let mut shared = self::shared(sweep.dir());
    shared.set_filter("lr>0").unwrap();
    assert_eq!(taken(&shared), 7);
    shared.set_filter("schedule[0].to=3").unwrap();
    assert_eq!(taken(&shared), 1);
}

#[test]
fn a_run_that_is_opened_alone_is_asked_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_of(&path, None, 3);
    std::fs::write(path.join("run.toml"), "seed = 7\n[optimizer]\nlr = 0.5\n").unwrap();
    let mut shared = shared(&path);
    shared.set_filter("lr=0.5 seed=7").unwrap();
    assert!(shared.is_shown(0));
    shared.set_filter("lr<0.5").unwrap();
    assert!(!shared.is_shown(0));
    shared.group_by("optimizer.lr").unwrap();
    assert_eq!(shared.groups.looks.arms[0].name, "lr=0.5");
}
