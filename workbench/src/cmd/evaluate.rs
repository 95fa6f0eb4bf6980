//! `workbench evaluate`.

use crate::cli::Evaluate;
use crate::console::{self, say};
use crate::failure::Failure;
use crate::progress::Steps;
use crate::signals::Stop;
use experiments::{LanguageModel, Weighed, with_language_model};
use experiments_evaluation::{
    Asked, Estimate, EvaluateError, Metric, Options, OverFiles, OverGroups, Published, Report,
    Task, evaluate, shipped,
};
use experiments_text::Cache;
use experiments_text::tasks::DATA_VARIABLE;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use words::Table;

/// Records of the items, and the result.
const ITEMS: &str = "items.jsonl";
const RESULT: &str = "result.json";

/// Reasons that are listed for people; the document has all.
const REASONS: usize = 5;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    weights: &'a Weighed,
    parameters: u64,
    reports: &'a [Report],
}

pub(crate) fn run(arguments: &Evaluate, cache: &Cache) -> Result<ExitCode, Failure> {
    let config = super::run_config(&arguments.run)?;
    let tasks = arguments.tasks.iter().map(|name| shipped(name));
    let tasks: Vec<Task> = tasks.collect::<Result<_, _>>()?;
    let data = data(arguments)?;
    let stop = Stop::listen()?;
    let request = super::generate::request(&arguments.run, &config, cache, &arguments.weights);
    let parameters = config.model.parameter_count(config.tokenizer.vocab_size);
    let work = |model: LanguageModel| -> Result<ExitCode, Failure> {
        if arguments.weights.step.is_none() && model.weights.quantized.is_none() {
            super::note_older_checkpoint(&arguments.run, model.weights.step);
        }
        let weights = model.weights;
        let mut asked = Asked {
            model: model.model,
            tokenizer: model.tokenizer,
            layout: model.layout,
        };
        let mut reports = Vec::new();
        for task in &tasks {
            let Some(report) = one(arguments, &mut asked, &weights, (task, &data), &stop)? else {
                say("stopped; the same command continues");
                return Ok(ExitCode::from(crate::failure::exit::STOPPED));
            };
            reports.push(report);
        }
        if arguments.json {
            console::print_json(&Document {
                weights: &weights,
                parameters,
                reports: &reports,
            })?;
        } else {
            console::print(&text(&weights, parameters, &reports))?;
        }
        Ok(ExitCode::SUCCESS)
    };
    with_language_model(&request, work)?
}

/// The folder of all data.
fn data(arguments: &Evaluate) -> Result<PathBuf, Failure> {
    let named = std::env::var_os(DATA_VARIABLE).map(PathBuf::from);
    let data = arguments.data.clone().or(named);
    data.ok_or_else(|| {
        Failure::usage(format!(
            "there is no data: give its folder with `--data`, or in the variable `{DATA_VARIABLE}`"
        ))
    })
}

/// One task; none where it was stopped.
fn one(
    arguments: &Evaluate,
    asked: &mut Asked,
    weights: &Weighed,
    (task, data): (&Task, &Path),
    stop: &Stop,
) -> Result<Option<Report>, Failure> {
    let options = Options {
        data,
        limit: arguments.limit.map(|count| count as usize),
        shots: arguments.shots.map(|count| count as usize),
        seed: arguments.seed,
        log_samples: arguments.log_samples,
    };
    let folder = folder(arguments, task, &options.key(task, &weights.blake3));
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::io(format!("cannot make `{}`", folder.display()), &error))?;
    let mut progress: Option<Steps> = None;
    let found = evaluate(
        asked,
        task,
        &options,
        &folder.join(ITEMS),
        &mut |done, total| {
            let bar = progress.get_or_insert_with(|| Steps::new(total as u64));
            bar.at(done as u64, &task.name);
            !stop.is_set()
        },
    );
    if let Some(bar) = progress {
        bar.end();
    }
    let found = found.map_err(|error| match error {
        EvaluateError::NotFinite(error) => {
            let run = arguments.run.display();
            Failure::failed(format!("`{run}`, step {}: {error}", weights.step))
        }
        other => other.into(),
    })?;
    if let Some(report) = &found {
        let result = folder.join(RESULT);
        logs::disk::write_json_atomic(&result, report)?;
        say(&format!(
            "{}: `{}`",
            task.name,
            words::printable_path(&result)
        ));
    }
    Ok(found)
}

/// Where the results are: another folder for everything that changes them.
fn folder(arguments: &Evaluate, task: &Task, key: &str) -> PathBuf {
    let all = arguments.out.clone();
    let all = all.unwrap_or_else(|| arguments.run.join("evaluations"));
    let name = task.file.file_stem().unwrap_or_default().to_string_lossy();
    all.join(format!("{name}-{key}"))
}

fn text(weights: &Weighed, parameters: u64, reports: &[Report]) -> String {
    let mut text = format!(
        "step {}{}, {} parameters\n",
        weights.step,
        weights
            .scheme
            .as_ref()
            .map_or_else(String::new, |scheme| format!(" in {scheme}")),
        words::thousands(parameters)
    );
    for report in reports {
        let _ = write!(text, "\n{}", report_text(report));
    }
    text
}

fn report_text(report: &Report) -> String {
    let mut text = format!("{}, {} shots", report.task, report.shots);
    if let Some(limit) = report.limit {
        let _ = write!(
            text,
            ", the first {limit} items of each file or group of its rows"
        );
    }
    let mut table = Table::of_numbers(
        &[
            "group",
            "files",
            "items",
            "metric",
            "average",
            "95 % interval",
            "max",
            "median",
        ],
        &[0, 3],
    );
    for group in &report.groups {
        for (metric, over) in &group.over_files {
            table.row(group_row(&group.name, &group.files, *metric, over));
        }
    }
    let _ = write!(text, "\n{}", table.render(2));
    if report.groups.len() > 1 {
        for (metric, all) in &report.overall {
            let _ = writeln!(
                text,
                "  all {} items: {} {} [{}]",
                all.items,
                metric.name(),
                figure(*metric, all.value),
                interval(*metric, all)
            );
        }
    }
    if let Some(over) = &report.over_groups {
        over_groups(&mut text, over);
    }
    if let Some(chance) = report.chance {
        let _ = writeln!(text, "  chance: {chance:.2} %");
    }
    if let Some(chance) = report.question_chance {
        let (em, f1a) = (chance.em, chance.f1a);
        let _ = writeln!(
            text,
            "  chance of whole questions: EM {em:.2} %, F1a {f1a:.2} %"
        );
    }
    let _ = write!(
        text,
        "{}{}{}",
        notes(report),
        skipped(report),
        published(report)
    );
    text
}

/// What was asked otherwise than it stands in the data.
fn notes(report: &Report) -> String {
    let mut text = String::new();
    if report.cut > 0 {
        let _ = writeln!(
            text,
            "  {} lost the beginning of their text: the model has too few slots",
            words::counted(report.cut as u64, "item")
        );
    }
    if let Some(seams) = &report.seams {
        let _ = writeln!(
            text,
            "  {} with a choice that has other tokens when it is read with the text before it, as choice {} of {}, line {}",
            words::counted(seams.items as u64, "item"),
            seams.choice,
            seams.file,
            seams.line
        );
    }
    text
}

/// The mean over groups with their weights, and what is not in it.
fn over_groups(text: &mut String, over: &OverGroups) {
    for (metric, mean) in &over.metrics {
        let _ = writeln!(
            text,
            "  mean over groups: {} {} [{}]",
            metric.name(),
            figure(*metric, mean.value),
            interval(*metric, mean)
        );
    }
    for (names, what) in [(&over.absent, "result"), (&over.unweighted, "weight")] {
        if !names.is_empty() {
            let names = words::quoted(names);
            let _ = writeln!(text, "    not in it, without a {what}: {names}");
        }
    }
}

/// Bits of a byte are told in thousandths, as they are published.
fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Bpb => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

fn group_row(
    name: &str,
    files: &[experiments_evaluation::FileReport],
    metric: Metric,
    over: &OverFiles,
) -> [String; 8] {
    let own = files.iter().filter_map(|file| file.metrics.get(&metric));
    let own: Vec<&Estimate> = own.collect();
    let items: usize = own.iter().map(|estimate| estimate.items).sum();
    // Of several files every one has its own.
    let ends = match own.as_slice() {
        [one] => interval(metric, one),
        _ => "-".to_owned(),
    };
    [
        name.to_owned(),
        own.len().to_string(),
        items.to_string(),
        metric.name().to_owned(),
        figure(metric, over.average),
        ends,
        figure(metric, over.max),
        figure(metric, over.median),
    ]
}

/// Ends of a 95 % interval.
fn interval(metric: Metric, estimate: &Estimate) -> String {
    estimate.interval.map_or_else(
        || "-".to_owned(),
        |[low, high]| format!("{} to {}", figure(metric, low), figure(metric, high)),
    )
}

fn skipped(report: &Report) -> String {
    let all = &report.skipped;
    let mut text = String::new();
    if all.is_empty() {
        return text;
    }
    let _ = writeln!(
        text,
        "  {} could not be asked and are in no score:",
        words::counted(all.len() as u64, "item")
    );
    for item in all.iter().take(REASONS) {
        let _ = writeln!(
            text,
            "    {}, line {}{}: {}",
            item.file,
            item.line,
            if item.part == 0 {
                String::new()
            } else {
                format!(", item {}", item.part)
            },
            item.reason
        );
    }
    if all.len() > REASONS {
        let _ = writeln!(text, "    and {} more, in {RESULT}", all.len() - REASONS);
    }
    text
}

fn published(report: &Report) -> String {
    let mut text = String::new();
    if report.published.is_empty() {
        return text;
    }
    text.push_str("  published, of models of another size with prompts of their own; nothing follows from the distance:\n");
    // Figures of one kind stand next to one another, and on one line.
    let is_same = |a: &Published, b: &Published| (&a.metric, &a.source) == (&b.metric, &b.source);
    for figures in report.published.chunk_by(is_same) {
        let Some(first) = figures.first() else {
            continue;
        };
        let each = figures.iter().map(|f| format!("{} {}", f.model, f.value));
        let each: Vec<String> = each.collect();
        let _ = writeln!(
            text,
            "    {} ({}): {}",
            first.metric,
            first.source,
            each.join(", ")
        );
    }
    text
}
