//! Reports of sweeps and runs in every state.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod branches;
mod figures;
mod pages;
mod single;
mod synthetic;

use pages::{HYPOTHESIS, pilot};
use std::fs;
use std::path::Path;
use sweeps::VerdictStatus;
use synthetic::Fate;
use workbench_report::{Chosen, Options, Over, Target, write_to};

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
        "parallel",
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
    assert!(html.contains("<title>num_heads=8 lr=0.001: 0 of 5</title>"));
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

/// How many panels the loss of a page has.
fn loss_panels(page: &str) -> usize {
    let figure = page.split("id=\"figure-loss\"").nth(1).unwrap();
    let figure = figure.split("</figure>").next().unwrap();
    figure.matches("<svg").count()
}

#[test]
fn what_axes_are_shown_as_is_the_readers_choice() {
    let dir = tempfile::tempdir().unwrap();
    synthetic::many(dir.path(), 2, 40);
    let page = |colours, shades, facets| {
        let out = dir.path().join("page.html");
        let chosen = Chosen {
            colours,
            shades,
            facets,
        };
        let options = Options {
            chosen,
            ..Options::default()
        };
        write_to(dir.path(), options, &Target::Html(out.clone())).map(|_| text(&out))
    };
    let (heads, lr) = (Some("model.num_heads"), Some("optimizer.lr"));
    let by_heads = page(heads, None, None).unwrap();
    assert_eq!(loss_panels(&by_heads), 4);
    let by_rate = page(lr, None, None).unwrap();
    assert_eq!(loss_panels(&by_rate), 5, "one panel for each colour");
    let in_heads = page(None, None, heads).unwrap();
    assert_eq!(loss_panels(&in_heads), 4);
    // The first panel holds four colours, that of 8 heads in shades of one.
    let colours = |page: &str| {
        let panel = page.split("id=\"figure-loss\"").nth(1).unwrap();
        let panel = panel.split("</svg>").next().unwrap();
        let strokes = panel
            .split("stroke=\"#")
            .skip(1)
            .map(|rest| rest[..6].to_owned());
        strokes.collect::<std::collections::BTreeSet<String>>()
    };
    assert_ne!(colours(&in_heads), colours(&by_heads));
    assert_eq!(loss_panels(&page(None, heads, None).unwrap()), 5);
    let refused = |found: Result<String, _>| {
        found
            .map(drop)
            .map_err(|error: workbench_report::ReportError| error.to_string())
            .unwrap_err()
    };
    for found in [
        page(Some("optimizer.rate"), None, None),
        page(None, Some("optimizer.rate"), None),
        page(None, None, Some("optimizer.rate")),
    ] {
        let refused = refused(found);
        assert!(refused.contains("`optimizer.rate` is no axis"), "{refused}");
        assert!(
            refused.contains("`model.num_heads`, `optimizer.lr`"),
            "{refused}"
        );
    }
    let twice = refused(page(heads, None, heads));
    assert!(twice.contains("cannot be shown twice"), "{twice}");
    let run = dir.path().join("run");
    synthetic::train(&run, "post", 1, Fate::Finish, 40);
    let options = Options {
        chosen: Chosen {
            facets: heads,
            ..Chosen::default()
        },
        ..Options::default()
    };
    let alone = write_to(&run, options, &Target::Html(run.join("page.html")));
    let alone = alone.unwrap_err().to_string();
    assert!(alone.contains("a run alone has none"), "{alone}");
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
