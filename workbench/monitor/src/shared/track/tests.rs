//! Tracks grow, start again, and hide nothing.

use super::*;
use logs::Record;

fn record(step: u64, loss: f64) -> Record {
    let mut record = Record::new(step);
    record.set_named("loss", loss);
    record.set_named("tokens", 256.0 * step as f64);
    record.set_named("step_seconds", 0.5);
    record
}

#[test]
fn growing_a_track_equals_building_it_at_once() {
    let mut records: Vec<Record> = (1..=300)
        .map(|step| record(step, 3.0 + 0.01 * (step % 5) as f64))
        .collect();
    records[250].set_named("loss", 30.0);
    let mut grown = Track::default();
    for length in [10, 200, 251, 300] {
        let new = grown.refresh(Log::Memory(&records[..length]), Some((0, length)), &[]);
        assert_eq!(new.map(|new| new.end), Some(length));
        grown.need(Log::Memory(&records[..length]), "loss", Axis::Time);
    }
    let mut whole = Track::default();
    whole.refresh(Log::Memory(&records), Some((0, 300)), &[]);
    whole.need(Log::Memory(&records), "loss", Axis::Time);
    assert_eq!(grown.signals["loss"].values, whole.signals["loss"].values);
    assert_eq!(grown.seconds.values, whole.seconds.values);
    assert_eq!(grown.sightings, whole.sightings);
    assert!(!grown.sightings.is_empty());
    let new = grown.refresh(Log::Memory(&records), Some((0, 300)), &[]);
    assert_eq!(new, None, "nothing new, nothing done");
}

#[test]
fn rewritten_records_replace_everything() {
    let mut track = Track::default();
    let lost = [record(1, 3.0), record(2, f64::NAN)];
    track.refresh(Log::Memory(&lost), Some((0, 2)), &[]);
    track.need(Log::Memory(&lost), "loss", Axis::Step);
    assert_eq!(track.sightings.len(), 1);
    let rewritten = [record(1, 3.0), record(2, 2.0)];
    let new = track.refresh(Log::Memory(&rewritten), Some((1, 2)), &[]);
    assert_eq!(new, Some(0..2), "all of them");
    track.need(Log::Memory(&rewritten), "loss", Axis::Step);
    assert_eq!(track.signals["loss"].values, [(0, 3.0), (1, 2.0)]);
    assert!(track.sightings.is_empty());
}

#[test]
fn what_is_trained_again_is_no_news() {
    let mut records = vec![record(1, 3.0), record(2, f64::NAN)];
    let mut track = Track::default();
    track.refresh(Log::Memory(&records), Some((0, 2)), &[]);
    let seen = track.seen();
    records.push(record(3, 3.0));
    track.refresh(Log::Memory(&records), Some((1, 3)), &[]);
    assert_eq!(track.rules_of_new(&seen), [""; 0]);
    records[0].set_named("loss", f64::INFINITY);
    track.refresh(Log::Memory(&records), Some((2, 3)), &[]);
    assert_eq!(track.rules_of_new(&seen), ["non-finite"]);
}

/// A run's own alarms are shown as it told of them, and not computed a second time beside them.
#[test]
fn a_run_that_watched_itself_shows_what_it_told() {
    let mut records: Vec<Record> = (1..=300)
        .map(|step| record(step, 3.0 + 0.01 * (step % 5) as f64))
        .collect();
    records[250].set_named("loss", 30.0);
    let start = Event::now(0, logs::EventKind::Start, "training starts");
    let mut events = vec![logs::alarm::watched_by(start, &["jump-loss"])];
    let mut track = Track::default();
    let new = track.refresh(Log::Memory(&records), Some((0, 300)), &events);
    assert_eq!(new, Some(0..300));
    assert!(track.sightings.is_empty());
    let entries = logs::alarm::DETECTORS.iter();
    let mut watch = Watch::new(entries.filter(|entry| entry.name == "jump-loss"));
    let news = records.iter().flat_map(|record| watch.news(record));
    events.extend(news.map(|news| news.event()));
    let new = track.refresh(Log::Memory(&records), Some((0, 300)), &events);
    assert_eq!(new, None, "no new records");
    let rules: Vec<_> = track
        .sightings
        .iter()
        .map(|row| row.rules.join(" "))
        .collect();
    assert_eq!(rules, ["jump-loss"]);
    // An events file that was moved away leaves what can be computed.
    track.refresh(Log::Memory(&records), Some((0, 300)), &[]);
    assert!(track.sightings[0].rules.len() > 1);
}

/// However long a run is and however it came to be, little of it is kept, and no spike is lost.
#[test]
fn a_long_run_is_thinned_and_keeps_its_spikes() {
    let mut records: Vec<Record> = (1..=60_000).map(|step| record(step, 3.0)).collect();
    for (at, loss) in [(43_210, 9.0), (50_001, f64::NAN), (50_003, 1.0)] {
        records[at].set_named("loss", loss);
    }
    let start = Event::now(0, logs::EventKind::Start, "training starts");
    let told = [logs::alarm::watched_by(start, &["jump-loss"])];
    let build = |lengths: &[usize]| {
        let mut track = Track::default();
        for length in lengths {
            let log = Log::Memory(&records[..*length]);
            track.refresh(log, Some((0, *length)), &told);
            track.need(log, "loss", Axis::Tokens);
        }
        track
    };
    let bits = |track: &Track| {
        let values = track.values("loss").iter();
        values
            .map(|(at, value)| (*at, value.to_bits()))
            .collect::<Vec<_>>()
    };
    let (whole, grown) = (build(&[60_000]), build(&[10, 17_001, 59_998, 60_000]));
    assert_eq!(bits(&whole), bits(&grown));
    assert_eq!(whole.tokens.values, grown.tokens.values);
    let values = whole.values("loss");
    assert!(values.len() <= 5 * MOST && whole.tokens.values.len() <= MOST + 1);
    for kept in [(43_210, 9.0), (50_003, 1.0)] {
        assert!(values.contains(&kept), "{kept:?}");
    }
    assert!(
        values
            .iter()
            .any(|(at, loss)| *at == 50_001 && loss.is_nan())
    );
    for at in [0, 1, 2, 3, 4, 30_001, 59_998, 59_999] {
        let x = whole.axis(Axis::Tokens).get(at).unwrap();
        assert!((x - 256.0 * (at as f64 + 1.0)).abs() < 1e-6, "{at}: {x}");
    }
    assert_eq!(whole.axis(Axis::Tokens).get(60_000), None);
}

/// A thousand runs that are longer than any screen is wide: what is kept of a signal of all of them is bounded, and so are the signals.
#[test]
fn a_thousand_long_runs_keep_a_bounded_number_of_values() {
    let mut records: Vec<Record> = (1..=20_000)
        .map(|step| record(step, 3.0 + (step as f64 * 1.7).sin()))
        .collect();
    records[12_345].set_named("loss", 9.0);
    let log = Log::Memory(&records);
    let mut track = Track::default();
    track.keep(Most::of_each(1000));
    track.note(log, Some((0, records.len())));
    track.need(log, "loss", Axis::Tokens);
    assert!(track.values("loss").contains(&(12_345, 9.0)));
    let places = track.steps.values.len() + track.tokens.values.len();
    let bytes = size_of_val(track.values("loss")) + places * size_of::<f64>();
    assert!(1000 * bytes <= 100 << 20, "{bytes} bytes a run");
    assert_eq!(Most::of_each(1), Most::default());
    let mut recent = Recent::default();
    let forgotten = (0..40).filter(|n| recent.ask(&n.to_string()).is_some());
    assert_eq!(forgotten.count(), 40 - MOST_SIGNALS);
    assert_eq!(recent.ask("39"), None, "one that is kept");
}

/// A run that comes to others leaves each less room; what was thinned otherwise is read again.
#[test]
fn another_share_of_memory_thins_again() {
    let records: Vec<Record> = (1..=20_000).map(|step| record(step, 3.0)).collect();
    let log = Log::Memory(&records);
    let build = |shares: &[usize]| {
        let mut track = Track::default();
        for runs in shares {
            track.keep(Most::of_each(*runs));
            track.note(log, Some((0, records.len())));
            track.need(log, "loss", Axis::Tokens);
        }
        (
            track.values("loss").to_vec(),
            track.axis(Axis::Tokens).get(19_999),
        )
    };
    assert_eq!(build(&[1, 500]), build(&[500]));
    assert_eq!(build(&[500, 1]), build(&[1]));
}
