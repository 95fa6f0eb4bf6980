//! The alarms as a table of values.

use logs::Sighting;

use crate::shared::Shared;

const HEADING: [&str; 11] = [
    "run", "arm", "seed", "step", "kind", "signal", "value", "before", "score", "rules", "message",
];

/// The alarms of the list, in its order.
pub(super) fn table(shared: &Shared, listed: &[(usize, &Sighting)]) -> Vec<Vec<String>> {
    let row = |(run, sighting): &(usize, &Sighting)| {
        let alarm = &sighting.alarm;
        let of = shared.run(*run)?;
        let before = alarm.before.map(|before| before.to_string());
        Some(vec![
            of.id.clone(),
            of.arm.clone(),
            of.seed.map_or_else(String::new, |seed| seed.to_string()),
            alarm.step.to_string(),
            super::row::name(alarm.kind).to_owned(),
            alarm.signal.clone(),
            alarm.value.to_string(),
            before.unwrap_or_default(),
            alarm.score.to_string(),
            sighting.rules.join(" "),
            alarm.message.clone(),
        ])
    };
    let heading = HEADING.map(str::to_owned).into();
    let rows = listed.iter().filter_map(row);
    std::iter::once(heading).chain(rows).collect()
}
