//! A page of every kind that the crate makes.

use super::branches;
use super::synthetic::{self, Fate};
use std::path::{Path, PathBuf};
use workbench_report::{Options, Over, Target, write_sweeps, write_to};

pub(crate) const HYPOTHESIS: &str =
    "At 24 layers without warm-up Post-LN stays at the unigram level.";

/// The pilot's result: all runs of `post` fail (one with NaN), no run of `deepnorm_glm` does.
pub(crate) fn pilot(arm: &str, seed: u64) -> Fate {
    match (arm, seed) {
        ("post", 4) => Fate::Nan(97),
        _ => Fate::Finish,
    }
}

/// Writes them into `dir`: of a sweep, of twenty arms, over tokens, of a run with a replay and a fork, and of three sweeps, two of
/// them of one card.
pub(crate) fn all(dir: &Path) -> Vec<PathBuf> {
    let [sweep, many, run, fork] = ["sweep", "many", "run", "fork"].map(|name| dir.join(name));
    synthetic::sweep(&sweep, HYPOTHESIS, pilot);
    synthetic::many(&many, 2, 60);
    for place in [&run, &fork] {
        synthetic::train(place, "post", 1, Fate::Finish, 40);
    }
    branches::replay(&run);
    branches::fork_of(&fork, "../run");
    let page = |name: &str, of: &Path, options: Options<'_>| {
        let out = dir.join(name);
        write_to(of, options, &Target::Html(out.clone())).unwrap();
        out
    };
    let over = Options {
        over: Over::Tokens,
        ..Options::default()
    };
    let forks = Options {
        forks: std::slice::from_ref(&fork),
        ..Options::default()
    };
    let cards = dir.join("cards.html");
    let sweeps = [sweep.clone(), many.clone(), sweep.clone()];
    write_sweeps(&sweeps, &cards).unwrap();
    vec![
        page("sweep.html", &sweep, Options::default()),
        page("many.html", &many, Options::default()),
        page("tokens.html", &sweep, over),
        page("run.html", &run, forks),
        cards,
    ]
}
