//! `workbench quantize FILE`: what fewer bits would cost the matrices of safetensors files of anybody's. There is no model that
//! could be asked for a loss.

mod figure;
mod text;

use crate::cli::Quantize;
use crate::console;
use crate::failure::Failure;
use crate::progress::Steps;
use experiments_quantization::{Bits, Method, Survey, WeightsFile, survey, survey_csv};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `--json` prints, and what lies in `weights.json`.
#[derive(Serialize)]
struct Document<'a> {
    files: &'a [Survey],
}

/// Whether a path is that of a file, or of one that is missing, and of no run.
pub(super) fn is_file(path: &Path) -> bool {
    path.is_file() || !path.is_dir() && path.extension().is_some_and(|end| end == "safetensors")
}

pub(super) fn run(arguments: &Quantize) -> Result<ExitCode, Failure> {
    check(arguments)?;
    let methods = methods(arguments)?;
    let opened = arguments.paths.iter().map(|path| open(path));
    let mut files = opened.collect::<Result<Vec<_>, _>>()?;
    let surveys = measure(&mut files, &methods)?;
    let written = match &arguments.out {
        Some(out) => write(out, &surveys)?,
        None => Vec::new(),
    };
    if arguments.json {
        console::print_json(&Document { files: &surveys })?;
        return Ok(ExitCode::SUCCESS);
    }
    console::print(&text::of(&surveys, &methods))?;
    for name in written {
        console::written(&name)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what only a run can be asked for.
fn check(arguments: &Quantize) -> Result<(), Failure> {
    let of_runs = [
        ("--step", arguments.step.is_some()),
        ("--all-checkpoints", arguments.all_checkpoints),
        ("--average", arguments.average > 1),
        ("--tensor-parallel", arguments.tensor_parallel > 1),
        (
            "--calibration-tokens",
            arguments.calibration_tokens.is_some(),
        ),
    ];
    if let Some((flag, _)) = of_runs.into_iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format!(
            "`{flag}` is for a run; files of weights have neither checkpoints nor text"
        )));
    }
    let calibrated = arguments
        .scheme
        .filter(|scheme| scheme.rule.is_calibrated());
    if let Some(scheme) = calibrated {
        return Err(Failure::usage(format!(
            "{scheme} has to see text pass through the model, and a file of weights has neither; expected a run, or another scheme"
        )));
    }
    if let Some(folder) = arguments.paths.iter().find(|path| path.is_dir()) {
        return Err(Failure::usage(format!(
            "`{}` is a folder; expected safetensors files alone, or one run",
            folder.display()
        )));
    }
    arguments.out.as_deref().map_or(Ok(()), super::check_folder)
}

/// Every scheme with 4 and 8 bits, or those that are asked for.
fn methods(arguments: &Quantize) -> Result<Vec<Method>, Failure> {
    let bits = arguments.bits.map(Bits::new).transpose();
    let bits = bits.map_err(Failure::usage)?;
    let mut methods = match arguments.scheme {
        Some(scheme) => {
            let both = [Bits::Four, Bits::Eight];
            both.map(|bits| Method { scheme, bits }).to_vec()
        }
        None => Method::all(),
    };
    methods.retain(|method| bits.is_none_or(|bits| method.bits == bits));
    Ok(methods)
}

fn open(path: &Path) -> Result<WeightsFile, Failure> {
    let file = logs::disk::open(path).map_err(|error| Failure::reading(path, &error))?;
    Ok(WeightsFile::new(path, file)?)
}

fn measure(files: &mut [WeightsFile], methods: &[Method]) -> Result<Vec<Survey>, Failure> {
    let all: usize = files.iter().map(|file| file.matrices().len()).sum();
    let mut bar = Steps::new(all as u64);
    let mut before = 0;
    let measured = files.iter_mut().map(|file| {
        let text = format!("matrices · {}", file.path().display());
        let found = survey(file, methods, &mut |done| {
            bar.at((before + done) as u64, &text);
        });
        before += file.matrices().len();
        found
    });
    let measured = measured.collect::<Result<Vec<_>, _>>();
    bar.end();
    Ok(measured?)
}

/// Writes document, table and figure into a folder.
fn write(out: &Path, surveys: &[Survey]) -> Result<Vec<PathBuf>, Failure> {
    std::fs::create_dir_all(out)
        .map_err(|error| Failure::io(format!("cannot make `{}`", out.display()), &error))?;
    let [json, csv, svg] =
        ["json", "csv", "svg"].map(|end| out.join("weights").with_extension(end));
    logs::output::write_json(&json, &Document { files: surveys })?;
    logs::output::write(&csv, survey_csv(surveys).as_bytes())?;
    crate::figure::write(&svg, figure::draw(surveys)?)?;
    Ok(vec![json, csv, svg])
}

/// Short names that tell the files apart: their paths without what all begin and end with, or the names of the files alone.
fn labels(surveys: &[Survey]) -> Vec<String> {
    let parts: Vec<Vec<String>> = surveys
        .iter()
        .map(|survey| {
            let parts = survey.file.iter();
            parts
                .map(|part| part.to_string_lossy().into_owned())
                .collect()
        })
        .collect();
    let file_name = |parts: &[String]| {
        let name = parts.last().cloned().unwrap_or_default();
        let stem = name.strip_suffix(".safetensors").map(str::to_owned);
        stem.unwrap_or(name)
    };
    let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
    let common = |part: &dyn Fn(&[String], usize) -> String| {
        let is_common = |at: &usize| {
            let mut all = parts.iter().map(|parts| part(parts, *at));
            let first = all.next();
            all.all(|other| Some(other) == first)
        };
        (0..shortest).take_while(is_common).count()
    };
    let begin = common(&|parts, at| parts[at].clone());
    let end = common(&|parts, at| parts[parts.len() - 1 - at].clone());
    let label = |parts: &Vec<String>| match parts.get(begin..parts.len() - end.min(parts.len())) {
        Some(own @ [_, ..]) if end > 0 => own.join("/"),
        _ => file_name(parts),
    };
    let labels: Vec<String> = parts.iter().map(label).collect();
    let mut sorted = labels.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == labels.len() {
        return labels;
    }
    let paths = surveys.iter();
    paths
        .map(|survey| words::printable_path(&survey.file))
        .collect()
}
