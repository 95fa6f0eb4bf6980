//! One page over the results of all cards.

use crate::card;
use crate::error::ReportError;
use crate::prose;
use crate::render;
use crate::sweep::claim;
use crate::view::{Badge, CardView, CardsPage, Fact, FindingView};
use std::path::{Path, PathBuf};
use sweeps::card::{Kind, Role};
use sweeps::result::ArmRecord;
use sweeps::{Card, CardResult, SweepReader, VerdictStatus};
use words::counted;

/// Writes the page over all results (`*.json`) in `results` to `page`. A result whose card in
/// `cards` says something else now is shown as changed; the numbers stay those of the runs.
pub fn write_cards(results: &Path, cards: &Path, page: &Path) -> Result<(), ReportError> {
    let folder = results;
    let results = CardResult::load_all(folder)?;
    if results.is_empty() {
        return Err(ReportError::NoResults {
            path: folder.to_owned(),
        });
    }
    let card = |result: &CardResult| cards.join(format!("{}.toml", result.card));
    let cards: Vec<PathBuf> = results.iter().map(card).collect();
    save(&results, &cards, page)
}

/// Writes the same page over sweeps, in any state, in the order in which they are named. Each is compared with the card in its own
/// directory.
pub fn write_sweeps(sweeps: &[PathBuf], page: &Path) -> Result<(), ReportError> {
    let result = |dir: &PathBuf| {
        let reader = SweepReader::open(dir)?;
        let verdict = reader.verdict()?;
        Ok(CardResult::of(&reader, &verdict)?)
    };
    let results = sweeps
        .iter()
        .map(result)
        .collect::<Result<Vec<_>, ReportError>>()?;
    let cards: Vec<PathBuf> = sweeps
        .iter()
        .map(|dir| dir.join(logs::output::CARD_FILE))
        .collect();
    save(&results, &cards, page)
}

/// `cards` says where the card of each result lies.
fn save(results: &[CardResult], cards: &[PathBuf], page: &Path) -> Result<(), ReportError> {
    let of_card = |(place, (result, card)): (usize, (&CardResult, &PathBuf))| {
        let same = |other: &&CardResult| other.card == result.card;
        let before = results[..place].iter().filter(same).count();
        // Two sweeps may be of one card, and a link has one end.
        let id = match before {
            0 => result.card.clone(),
            before => format!("{}-{}", result.card, before + 1),
        };
        view(result, card, id)
    };
    let numbered = results.iter().zip(cards).enumerate();
    let views = numbered.map(of_card).collect::<Result<Vec<_>, _>>()?;
    let page_view = CardsPage {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        counts: counts(results),
        cost: cost(results.iter().map(|result| result.cost.core_seconds).sum()),
        verdicts: verdicts(results),
        cards: views,
        limits: limits(results),
    };
    crate::save(page, &render::cards_html(&page_view)?)
}

/// The verdicts that there are, each once.
fn verdicts(results: &[CardResult]) -> Vec<Badge> {
    use VerdictStatus::{Exploration, Inconclusive, NotReproduced, Reproduced};
    let all = [Reproduced, NotReproduced, Inconclusive, Exploration].into_iter();
    let found = all.filter(|status| results.iter().any(|result| result.verdict == *status));
    let badge = |status: VerdictStatus| Badge {
        class: prose::verdict_class(status),
        word: status.words(),
    };
    found.map(badge).collect()
}

/// How many claims stand how, and how many cards claim nothing where there are such.
fn counts(results: &[CardResult]) -> Vec<Fact> {
    use VerdictStatus::{Exploration, Inconclusive, NotReproduced, Reproduced};
    let count = |status| {
        let of = results.iter().filter(|result| result.verdict == status);
        of.count()
    };
    let fact =
        |status: VerdictStatus| Fact::new(status.words().to_lowercase(), count(status).to_string());
    let mut facts = [Reproduced, NotReproduced, Inconclusive].map(fact).to_vec();
    match count(Exploration) {
        0 => {}
        1 => facts.push(Fact::new("exploration", "1")),
        more => facts.push(Fact::new("explorations", more.to_string())),
    }
    facts
}

fn view(result: &CardResult, card: &Path, id: String) -> Result<CardView, ReportError> {
    let measured: Vec<String> = result.shown_arms().into_iter().map(measured).collect();
    let word = result.verdict.words();
    let sentence = result
        .sentence
        .strip_prefix(word)
        .unwrap_or(&result.sentence);
    Ok(CardView {
        name: result.card.clone(),
        title: result.claim.clone(),
        kind: match result.kind {
            Kind::Symptom => "about a symptom",
            Kind::Mechanism => "about a mechanism",
            Kind::Exploration => "an exploration",
        },
        class: prose::verdict_class(result.verdict),
        word,
        sentence: prose::capitalised(sentence.trim_start_matches(": ")),
        hypothesis: result.hypothesis.clone(),
        claim: result.source.as_ref().map(claim),
        measured,
        metric: result
            .arms
            .first()
            .and_then(|arm| arm.metrics.first())
            .map_or(String::new(), |metric| metric.metric.clone()),
        hold: hold(result),
        findings: result.findings.iter().map(finding).collect(),
        untested: result.untested.join(", "),
        notes: result.notes.clone(),
        warnings: warnings(result, card),
        figure: Some(card::figure(result, &id)?),
        id,
        facts: facts(result),
        rerun: words::shell_command(&result.provenance.command),
    })
}

/// `8 of 10`: the confirmatory criteria that hold.
fn hold(result: &CardResult) -> String {
    let counted = || {
        let findings = result.findings.iter();
        findings.filter(|finding| finding.role == Role::Confirmatory)
    };
    if result.kind == Kind::Exploration {
        return prose::NONE.to_owned();
    }
    let hold = counted().filter(|finding| finding.status == VerdictStatus::Reproduced);
    format!("{} of {}", hold.count(), counted().count())
}

fn finding(finding: &sweeps::criterion::Finding) -> FindingView {
    let p = match (finding.p_value, finding.p_adjusted) {
        (Some(p), Some(adjusted)) if (adjusted - p).abs() > 1e-12 => {
            format!(
                "{} ({} after Holm)",
                prose::p_value(p),
                prose::p_value(adjusted)
            )
        }
        (Some(p), _) => prose::p_value(p),
        (None, _) => prose::NONE.to_owned(),
    };
    FindingView {
        name: finding.name.clone(),
        claim: finding.claim.clone(),
        role: match finding.role {
            Role::Confirmatory => "",
            Role::Descriptive => "descriptive",
        },
        class: prose::verdict_class(finding.status),
        word: finding.status.of_criterion(),
        test: finding.test.clone(),
        p,
        sentence: match finding.open {
            Some(why) => format!("{}: {}", why.words(), finding.sentence),
            None => finding.sentence.clone(),
        },
    }
}

/// `post: 8 of 8 failed, mean 3.578 (95 %: 3.55 to 3.60)`.
fn measured(arm: &ArmRecord) -> String {
    let mut parts = Vec::new();
    if arm.runs > 0 {
        parts.push(format!(
            "{} of {} failed to train",
            arm.failed,
            counted(arm.runs, "run")
        ));
    }
    if let Some(spiked) = arm.spiked {
        parts.push(format!("{} of {} spiked", spiked.events, spiked.n));
    }
    if let Some(estimate) = arm.metrics.first().and_then(|metric| metric.estimate) {
        let ends = estimate.interval.map_or(String::new(), |ends| {
            format!(
                " (95 %: {} to {})",
                prose::significant(ends.low, 4),
                prose::significant(ends.high, 4)
            )
        });
        let runs: usize = arm.outcomes.values().sum();
        parts.push(format!(
            "mean {}{ends}{}",
            prose::significant(estimate.mean, 4),
            prose::of_finite(estimate.n, runs)
        ));
    }
    if parts.is_empty() {
        parts.push("nothing yet".to_owned());
    }
    format!("`{}`: {}", arm.arm, parts.join(", "))
}

/// What a reader must know before believing the rest.
fn warnings(result: &CardResult, path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    if result.criterion_changed {
        warnings.push(
            "The criterion was edited after the first run; the verdict uses the registered one."
                .to_owned(),
        );
    }
    match Card::load_with_text(path, result.budget.as_deref()) {
        Ok((card, _)) if result.is_of(&card) => {}
        Ok((card, _)) if card.criterion_hash() != result.criterion_hash => warnings.push(
            "The card's criterion has changed since these runs: they answer the old one."
                .to_owned(),
        ),
        Ok(_) => warnings
            .push("The card has changed since these runs, its criterion has not.".to_owned()),
        Err(_) => warnings.push(format!(
            "The card `{}` cannot be read, so nobody can tell whether it has changed.",
            path.display()
        )),
    }
    warnings
}

fn facts(result: &CardResult) -> Vec<Fact> {
    let provenance = &result.provenance;
    let list = |set: &std::collections::BTreeSet<String>| {
        set.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    let short = |hash: &str| hash.chars().take(16).collect::<String>();
    let seeds = result.arms.iter().map(|arm| arm.seeds.len());
    let (fewest, most) = (seeds.clone().min().unwrap_or(0), seeds.max().unwrap_or(0));
    let seeds = if fewest == most {
        most.to_string()
    } else {
        format!("{fewest} to {most}")
    };
    vec![
        Fact::new(
            "budget",
            result.budget.as_deref().unwrap_or("the whole table"),
        ),
        Fact::new(
            "runs",
            format!(
                "{} in {}",
                result.cost.runs,
                counted(result.arms.len() as u64, "arm")
            ),
        ),
        Fact::new("seeds per arm", seeds),
        Fact::new("cost", cost(result.cost.core_seconds)),
        Fact::new("processor", list(&provenance.cpus)),
        Fact::new("text", list(&provenance.languages)),
        Fact::new("registered", &provenance.registered),
        Fact::code("card", short(&result.card_hash)),
        Fact::code("criterion", short(&result.criterion_hash)),
        Fact::code("commit", list(&provenance.commits)),
    ]
}

fn cost(core_seconds: f64) -> String {
    format!(
        "{} core-hours",
        prose::significant(core_seconds / 3600.0, 2)
    )
}

/// What a proxy cannot show about 130B, whatever its cards say.
fn limits(results: &[CardResult]) -> Vec<String> {
    let symptoms = results
        .iter()
        .filter(|result| result.kind == Kind::Symptom)
        .map(|result| format!("`{}`", result.card))
        .collect::<Vec<_>>()
        .join(", ");
    let mut limits = vec![
        "These models have a hundred-thousandth of the parameters of GLM-130B or less, and see a \
         millionth of its text or less. Pre-LN trains in them; at 100B it \"consistently crashes\" early (arXiv 2210.02414 \
         §B.2), and Sandwich-LN collapses there. No run here can be expected to show that."
            .to_owned(),
        "A few hundred steps show what happens at the beginning. Output logits that drift late, and \
         collapses after tens of thousands of steps such as GLM-130B's at 33,700, cannot appear."
            .to_owned(),
        "A learning rate that is stable here says nothing about 130B by itself: the largest stable rate \
         moves with width, depth, batch and schedule. Arms are compared at the same rate; which one is \
         better at its own best rate is another question."
            .to_owned(),
        "FP16 is emulated: values are rounded as the hardware rounds them, but sums inside a matrix \
         product are FP32. Kernels that round inside a sum are not covered."
            .to_owned(),
        "No failure in n runs still allows a share: 31 % for n = 10, 37 % for n = 8 (95 %, Clopper \
         and Pearson). A run of sixty days has one seed."
            .to_owned(),
        "Data, hardware faults, parallel execution and checkpoints are other causes of loss spikes. No \
         card here tests them."
            .to_owned(),
    ];
    if !symptoms.is_empty() {
        limits.push(format!(
            "{symptoms}: about symptoms. A proxy that shows one need not share its cause at scale, \
             and one that does not show it refutes nothing about scale."
        ));
    }
    limits
}
