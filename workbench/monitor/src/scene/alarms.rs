//! Alarms of all runs in one list; what several rules saw is one row.

use super::{AlarmRow, track::Track};

/// The lines of the pane: the latest step first, within a step in the order of the runs.
pub(super) fn rows(tracks: &[Track], only: Option<usize>) -> Vec<AlarmRow> {
    let mut rows: Vec<AlarmRow> = tracks
        .iter()
        .enumerate()
        .filter(|(run, _)| only.is_none_or(|only| only == *run))
        .flat_map(|(run, track)| {
            track.sightings.iter().map(move |sighting| AlarmRow {
                run,
                sighting: sighting.clone(),
            })
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.sighting.alarm.step));
    rows
}
