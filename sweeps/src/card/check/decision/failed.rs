//! That every criterion says what a run without a finite value counts as.

use crate::Event;
use crate::card::check::fields::complain;
use crate::criterion::{Criterion, Failed, Metric};
use experiments_config::Complaint;

/// Checks `failed` and `worst` of a criterion that compares `metric`.
pub(super) fn check(
    criterion: &Criterion,
    metric: &Metric,
    section: &str,
    complaints: &mut Vec<Complaint>,
) {
    let test = criterion.test.name();
    let ranks = criterion.test().compares().ranks();
    let place = |key: &str| format!("{section}.{key}");
    if let Some(event) = criterion.event() {
        if criterion.failed.is_some() && !event.contains(&Event::Spiked) {
            let message = "says nothing here: of every finished run it is known whether it ended so; \
                           it is for the event `spiked`";
            complain(complaints, &place("failed"), message, None);
        }
        return;
    }
    if criterion.failed == Some(Failed::Worst) && !ranks {
        let message = format!(
            "is `worst`, but `{test}` compares means, in which a run without a finite value has no place; expected `open`"
        );
        complain(complaints, &place("failed"), message, None);
        return;
    }
    if !ranks {
        return;
    }
    let known = metric.worst();
    match (criterion.failed, criterion.worst) {
        (Some(Failed::Open), Some(_)) => {
            let message = "says where failed runs rank, but with `failed = \"open\"` they do not";
            complain(complaints, &place("worst"), message, None);
        }
        (Some(Failed::Open), None) => {}
        (_, None) if known.is_none() => {
            let message = format!(
                "is missing: of `{}` neither end is known to be bad; expected `high` or `low`, where runs without a finite value rank",
                metric.label()
            );
            let hint = "or give `failed = \"open\"`: not decided while a run has none".to_owned();
            complain(complaints, &place("worst"), message, Some(hint));
        }
        (_, Some(said)) if known.is_some_and(|known| known != said) => {
            let message = format!(
                "ranks failed runs {}, but failing makes `{}` the {}; leave `worst` out",
                said.words(),
                metric.label(),
                known.unwrap_or(said).words()
            );
            complain(complaints, &place("worst"), message, None);
        }
        (None | Some(Failed::Worst), None | Some(_)) => {}
    }
}
