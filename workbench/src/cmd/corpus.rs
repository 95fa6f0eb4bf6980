//! `workbench corpus`: the texts.

use crate::cli::Corpus;
use crate::console;
use crate::failure::Failure;
use crate::progress::Wait;
use experiments_config::DataConfig;
use experiments_text::{Cache, cached, catalogue, get, verify};
use std::process::ExitCode;

pub(crate) fn run(command: Corpus, cache: &Cache) -> Result<ExitCode, Failure> {
    match command {
        Corpus::List { json } => list(cache, json)?,
        Corpus::Get { names } => get_all(names, cache)?,
        Corpus::Verify => verify_all(cache)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cache: &Cache, json: bool) -> Result<(), Failure> {
    if json {
        let rows: Vec<_> = catalogue::entries()
            .iter()
            .map(|entry| serde_json::json!({ "entry": entry, "cached": cached(entry, cache) }))
            .collect();
        return console::print_json(&rows);
    }
    for entry in catalogue::entries() {
        let state = match cached(entry, cache) {
            Some(text) => format!("cached, {}", words::bytes(text.bytes)),
            None => "not here".to_owned(),
        };
        let manager = format!("{:?}", entry.manager).to_lowercase();
        console::print(&format!(
            "{:<18} {:<3} {:<6} {:<17} {}\n{:<29} {}\n",
            entry.name, entry.language, manager, state, entry.title, "", entry.licence
        ))?;
    }
    console::print(&format!("cache: {}\n", cache.root().display()))?;
    Ok(())
}

fn get_all(mut names: Vec<String>, cache: &Cache) -> Result<(), Failure> {
    if names.is_empty() {
        names = DataConfig::default()
            .sources
            .into_iter()
            .filter_map(|s| s.name)
            .collect();
    }
    for name in names {
        let entry = catalogue::find(&name)?;
        let wait = Wait::new();
        let text = get(entry, cache, &mut |line| wait.at(line));
        wait.end();
        let text = text?;
        let documents = words::counted(text.documents as u64, "document");
        let bytes = words::bytes(text.bytes);
        let path = text.path.display();
        console::print(&format!("{name}: {bytes} in {documents}: {path}\n"))?;
    }
    Ok(())
}

fn verify_all(cache: &Cache) -> Result<(), Failure> {
    for entry in catalogue::entries() {
        if let Some(text) = cached(entry, cache) {
            verify(&text)?;
            console::print(&format!("{}: ok\n", entry.name))?;
        }
    }
    Ok(())
}
