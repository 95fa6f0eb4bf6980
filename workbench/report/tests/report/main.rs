//! Reports of sweeps and runs in every state.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod synthetic;

use logs::Manifest;
use std::fs;
use std::path::Path;
use sweeps::VerdictStatus;
use sweeps::replay::{Control, End, REPLAY_FILE, Replay, Row, TWINS_DIR, Table, Told};
use synthetic::Fate;
use workbench_report::{Options, Over, Target, write_to};

const HYPOTHESIS: &str = "At 24 layers without warm-up Post-LN stays at the unigram level.";

/// The pilot's result: all runs of `post` fail (one with NaN), no run of `deepnorm_glm` does.
fn pilot(arm: &str, seed: u64) -> Fate {
    match (arm, seed) {
        ("post", 4) => Fate::Nan(97),
        _ => Fate::Finish,
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_finished_sweep_reports_its_verdict_in_both_formats() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let written = workbench_report::write(dir.path()).unwrap();
    assert_eq!(written.verdict.unwrap().status, VerdictStatus::Reproduced);

    for page in [text(&written.html), text(&written.md)] {
        assert!(page.contains("Reproduced"));
        assert!(page.contains("zh"), "the missing language is named");
        assert!(
            page.contains("workbench sweep run"),
            "the command that reruns it is there"
        );
        assert!(page.contains("lab-07"));
        assert!(page.contains("1,234,567"));
    }
    let html = text(&written.html);
    assert!(html.contains("stuck above 3.490 (unigram entropy 3.540 − 0.05)"));
    assert!(
        html.contains("Example CPU &lt;2 GHz&gt;"),
        "user text is escaped"
    );
    let count = |what: &str| html.matches(what).count();
    assert!(count("<svg") >= 8);
    assert_eq!(
        count("<title id="),
        count("<svg"),
        "every figure has a title"
    );
    assert_eq!(
        count("<desc id="),
        count("<svg"),
        "every figure is told in words"
    );
    assert!(
        html.contains("not finite"),
        "NaN is drawn as a mark and not left out"
    );
}

/// A sweep on a disk that cannot be written has a report too.
#[test]
fn a_report_elsewhere_only_reads_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let names = |path: &Path| {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(dir.path());
    let other = tempfile::tempdir().unwrap();
    for (name, found) in [
        ("new/folder", &["figures", "report.html", "report.md"][..]),
        ("page.html", &["new", "page.html"]),
        ("page.md", &["figures", "new", "page.html", "page.md"]),
    ] {
        let out = other.path().join(name);
        write_to(dir.path(), Options::default(), &Target::of(&out)).unwrap();
        let folder = if out.is_dir() { &out } else { other.path() };
        assert_eq!(names(folder), found, "{name}");
    }
    assert_eq!(names(dir.path()), before);

    let file = other.path().join("page.html").join("report");
    let error = write_to(dir.path(), Options::default(), &Target::of(&file)).unwrap_err();
    assert!(error.to_string().contains("`.html` or `.md`"), "{error}");
}

/// Arms that have failed alike are compared in nothing, and every page says so.
#[test]
fn a_comparison_whose_control_failed_is_called_inconclusive() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, |_, _| Fate::Nan(97));
    let written = workbench_report::write(dir.path()).unwrap();
    let verdict = written.verdict.unwrap();
    assert_eq!(verdict.status, VerdictStatus::Inconclusive);
    for page in [text(&written.html), text(&written.md)] {
        assert!(page.contains("Inconclusive"), "{page}");
        assert!(page.contains("he control failed as well"), "{page}");
        assert!(
            page.contains("was not tested, and is inconclusive"),
            "{page}"
        );
    }
}

#[test]
fn markdown_names_only_figures_that_exist() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let written = workbench_report::write(dir.path()).unwrap();
    let md = text(&written.md);
    let named: Vec<&str> = md
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert_eq!(named.len(), written.figures.len());
    for name in named {
        assert!(dir.path().join(name).is_file(), "{name}");
    }
}

/// The same directory gives the same bytes, or no report could be compared with another.
#[test]
fn output_is_deterministic() {
    let pages = || {
        let dir = tempfile::tempdir().unwrap();
        synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
        let written = workbench_report::write(dir.path()).unwrap();
        [written.html, written.md].map(|path| text(&path))
    };
    assert_eq!(pages(), pages());
}

#[test]
fn a_partial_sweep_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = synthetic::sweep(dir.path(), HYPOTHESIS, |arm, seed| match (arm, seed) {
        ("post", 1) => Fate::Fail(30),
        ("post", 2) => Fate::Vanish(60),
        (_, 3..) => Fate::Never,
        _ => Fate::Finish,
    });
    fs::write(
        dir.path()
            .join("control")
            .join(format!("{}.skip", sweep.runs()[6].id)),
        "",
    )
    .unwrap();
    let written = workbench_report::write(dir.path()).unwrap();
    assert_eq!(written.verdict.unwrap().status, VerdictStatus::Inconclusive);
    let md = text(&written.md);
    assert!(md.contains("1 run failed and has no outcome"), "{md}");
    assert!(md.contains("1 run was interrupted"), "{md}");
    assert!(md.contains("have not begun"), "{md}");
    assert!(md.contains("no space left on `/data`"), "{md}");
}

#[test]
fn a_sweep_that_has_not_begun_has_a_report_without_figures() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, |_, _| Fate::Never);
    let written = workbench_report::write(dir.path()).unwrap();
    assert!(written.figures.is_empty());
    assert!(text(&written.html).contains("No run has an outcome yet"));
}

#[test]
fn an_edited_criterion_is_the_first_warning() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let card = synthetic::card(HYPOTHESIS).replace("alpha = 0.05", "alpha = 0.2");
    fs::write(dir.path().join("sweep.toml"), card).unwrap();
    let written = workbench_report::write(dir.path()).unwrap();
    let md = text(&written.md);
    let warnings = md.split("## Read this first").nth(1).unwrap();
    assert!(
        warnings
            .trim_start()
            .starts_with("- The criterion was changed"),
        "{warnings}"
    );
}

#[test]
fn text_of_a_card_cannot_inject_markup() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(
        dir.path(),
        "</p><script>alert(1)</script><img src=x>",
        pilot,
    );
    let written = workbench_report::write(dir.path()).unwrap();
    let html = text(&written.html);
    assert!(!html.contains("<script>alert") && !html.contains("<img"));
    assert!(!text(&written.md).contains("<script>alert(1)</script><img src=x>\n\n"));
}

#[test]
fn a_single_run_has_a_report_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("my-run");
    synthetic::train(&run, "post", 1, Fate::Finish, 150);
    let written = workbench_report::write(&run).unwrap();
    assert!(written.verdict.is_none());
    let md = text(&written.md);
    assert!(md.starts_with("# my-run\n\n**Outcome: stuck.**"), "{md}");
    assert!(md.contains("workbench train runs/stall"));
}

/// Nothing recorded is not the same as nothing wrong.
#[test]
fn a_finished_run_that_lost_its_records_has_no_outcome() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::train(dir.path(), "post", 1, Fate::Finish, 150);
    for lines in [100, 0] {
        let path = dir.path().join("metrics-0001.jsonl");
        let kept: Vec<String> = text(&path).lines().take(lines).map(str::to_owned).collect();
        fs::write(&path, kept.join("\n") + "\n").unwrap();
        let written = workbench_report::write(dir.path()).unwrap();
        let md = text(&written.md);
        assert!(
            md.contains("No outcome") && !md.contains("Outcome:"),
            "{md}"
        );
        assert!(md.contains("so its outcome cannot be told"), "{md}");
    }
}

#[test]
fn a_single_run_that_failed_says_why() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::train(dir.path(), "post", 1, Fate::Fail(20), 150);
    let written = workbench_report::write(dir.path()).unwrap();
    assert!(text(&written.md).contains("The run failed after 20 of 150 steps"));
    assert!(text(&written.md).contains("no space left"));
}

#[test]
fn another_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = workbench_report::write(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is neither a sweep"), "{error}");
    assert!(error.contains(&dir.path().display().to_string()), "{error}");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing was written"
    );
}

/// What a reader of the Markdown sees. Run ids and hashes follow the configuration and are left
/// out, so that a new configuration key is no change of the report.
#[test]
fn the_markdown_reads_well() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let written = workbench_report::write(dir.path()).unwrap();
    let mut md = text(&written.md);
    for run in sweep.runs() {
        md = md.replace(&run.id, &format!("stall-{}-s{}", run.arm, run.seed));
    }
    let registration = sweep.registration();
    md = md
        .replace(&registration.card_hash, "CARD")
        .replace(&registration.criterion_hash, "RULES");
    insta::assert_snapshot!(md);
}

/// Twenty arms are told apart: panels of few curves, names that say what differs, a matrix, the rate at which half of the runs
/// fail, and switches.
#[test]
fn twenty_arms_are_readable() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::many(dir.path(), 5, 200);
    let written = workbench_report::write(dir.path()).unwrap();
    let (html, md) = (text(&written.html), text(&written.md));
    for figure in [
        "loss-1",
        "loss-4",
        "outcomes",
        "dose",
        "sensitivity",
        "paired-differences",
        "layer-grad-norm-late-1",
    ] {
        let path = dir.path().join("figures").join(format!("{figure}.svg"));
        assert!(path.is_file(), "{figure}");
    }
    assert!(
        !dir.path().join("figures/loss-5.svg").exists(),
        "one panel for each number of heads"
    );
    assert_eq!(html.matches("<input type=\"checkbox\"").count(), 20);
    assert!(
        html.contains("5/5") && html.contains("0/5"),
        "the matrix counts"
    );
    assert!(md.contains("| num\\_heads=8 | half"), "{md}");
    assert!(md.contains("Separated: 1 of 4 curves"), "{md}");
    let loss = html
        .split("figure id=\"figure-loss\"")
        .nth(1)
        .unwrap()
        .split("</figure>")
        .next()
        .unwrap();
    assert_eq!(loss.matches("<svg").count(), 4);
    assert!(
        loss.contains(">\nlr=0.001\n<"),
        "curves are named where they end: {}",
        &loss[loss.len() - 3000..]
    );
}

#[test]
fn the_axis_of_the_colours_is_the_readers_choice_and_must_be_one() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::many(dir.path(), 2, 40);
    let page = |key: &str| {
        let out = dir.path().join("page.html");
        write_to(
            dir.path(),
            Options {
                colours: Some(key),
                ..Options::default()
            },
            &Target::Html(out.clone()),
        )
        .map(|_| text(&out))
    };
    let loss = |page: &str| {
        let figure = page.split("id=\"figure-loss\"").nth(1).unwrap();
        figure
            .split("</figure>")
            .next()
            .unwrap()
            .matches("<svg")
            .count()
    };
    assert_eq!(loss(&page("model.num_heads").unwrap()), 4);
    assert_eq!(
        loss(&page("optimizer.lr").unwrap()),
        5,
        "one panel for each colour"
    );
    let refused = page("optimizer.rate").unwrap_err().to_string();
    assert!(refused.contains("`optimizer.rate` is no axis"), "{refused}");
    assert!(
        refused.contains("`model.num_heads`, `optimizer.lr`"),
        "{refused}"
    );
}

/// The data of a figure are a part of the page, whole and in full precision.
#[test]
fn every_figure_of_curves_has_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let html = text(&workbench_report::write(dir.path()).unwrap().html);
    let link = html
        .split("download=\"held-out-loss.csv\" href=\"")
        .nth(1)
        .unwrap();
    let link = link.split('"').next().unwrap();
    let rows: Vec<&str> = link.split_once("utf-8,").unwrap().1.split("%0A").collect();
    assert_eq!(rows[0], "step,arm,low,median,high,not_finite");
    // Three evaluations of three arms.
    assert_eq!(rows.len(), 1 + 9 + 1);
    let values: Vec<f64> = rows[1]
        .split(',')
        .skip(2)
        .take(3)
        .map(|cell| cell.parse().unwrap())
        .collect();
    assert!(values[0] <= values[1] && values[1] <= values[2] && values[0] != values[2]);
}

/// A replay of step 30 in the run in `dir`, with twins.
fn replay(dir: &Path) {
    let place = dir.join("replays/step-00000030");
    let row = |twin: &str, end: End| Row {
        twin: twin.to_owned(),
        what: "<b>a|change</b>".to_owned(),
        cause: None,
        end,
    };
    let finished = |twin: &str| {
        let dir = place.join(TWINS_DIR).join(twin);
        synthetic::train(&dir, "post", 1, Fate::Finish, 40);
        let reader = logs::RunReader::open(&dir).unwrap();
        row(twin, End::Finished(Told::of(&[], reader.records(), 30)))
    };
    let reason = "its softmax is FP32".to_owned();
    let table = Table {
        from: 22,
        at: 30,
        rows: vec![
            finished("same"),
            finished("skip"),
            row("fp32-softmax", End::NotApplicable { reason }),
            row("../../../outside", finished("lr-half").end),
        ],
    };
    let says = table.attribution(&[], Control::Same, false);
    let replay = Replay::new("runs/a".to_owned(), (0, 40), Control::Same, table, says);
    logs::write_json_atomic(&place.join(REPLAY_FILE), &replay).unwrap();
}

#[test]
fn a_replay_is_a_section_with_its_sentence_table_and_figure() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    synthetic::train(&run, "post", 1, Fate::Finish, 40);
    replay(&run);
    let other = run.join("replays/step-00000035");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join(REPLAY_FILE), "{\"version\": 1}").unwrap();
    let written = workbench_report::write(&run).unwrap();
    let [html, md] = [&written.html, &written.md].map(|page| text(page));
    for page in [&html, &md] {
        assert!(page.contains("Step 30 of"), "{page}");
        assert!(
            page.contains("There is no spike of the loss around step 30"),
            "{page}"
        );
        assert!(page.contains("its softmax is FP32"));
        assert!(
            page.contains("format version 1"),
            "what cannot be read is told"
        );
        assert!(page.contains("Loss of the twins: data"));
    }
    assert!(html.contains("&lt;b&gt;a|change") && md.contains("a\\|change"));
    assert!(run.join("figures/replay-1-0.svg").is_file());
    assert!(!html.contains("outside up to"), "no twin has this name");
}

#[test]
fn forks_that_are_named_stand_beside_their_run() {
    let dir = tempfile::tempdir().unwrap();
    let [run, fork, other] = ["run", "fork", "other"].map(|name| dir.path().join(name));
    for place in [&run, &fork, &other] {
        synthetic::train(place, "post", 1, Fate::Finish, 40);
    }
    let mut manifest = Manifest::load(&fork).unwrap().unwrap();
    manifest.parent = Some("../run".to_owned());
    manifest.forked_at = Some(20);
    manifest.save(&fork).unwrap();
    let out = Target::Folder(dir.path().join("out"));
    write_to(
        &run,
        Options {
            forks: std::slice::from_ref(&fork),
            ..Options::default()
        },
        &out,
    )
    .unwrap();
    let page = text(&dir.path().join("out/report.md"));
    assert!(
        page.contains("## Forks of `run`") && page.contains("| fork @21 |"),
        "{page}"
    );
    assert!(dir.path().join("out/figures/forks-1-0.svg").is_file());
    let refused = write_to(
        &other,
        Options {
            forks: &[fork],
            ..Options::default()
        },
        &out,
    )
    .unwrap_err()
    .to_string();
    assert!(
        refused.contains("is a fork of `../run`, which is not shown here"),
        "{refused}"
    );
}

/// Batches and speeds may differ between arms: then steps do not compare them.
#[test]
fn curves_over_tokens_have_that_axis_and_heat_maps_keep_their_steps() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::sweep(dir.path(), HYPOTHESIS, pilot);
    let out = dir.path().join("over.html");
    let page = |over| {
        let options = Options {
            over,
            ..Options::default()
        };
        write_to(dir.path(), options, &Target::Html(out.clone())).unwrap();
        text(&out)
    };
    let steps = page(Over::Step);
    assert!(steps.contains("Gradient norm by layer, over training"));
    let tokens = page(Over::Tokens);
    assert!(tokens.contains("Training loss: one curve per arm, by token."));
    assert!(tokens.contains("steps from left to right, layer 0 at the bottom"));
    let time = page(Over::Time);
    assert!(!time.contains("Training loss: one curve per arm"));
    assert!(time.contains("there are no curves over time"));
}
