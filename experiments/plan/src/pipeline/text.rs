//! A timeline in a terminal.

use super::input::name;
use super::view::{Part, bubble, lanes, parts, time};
use super::{Event, Pass, Timeline};
use crate::Schedule;
use words::counted;

/// Lanes shown of a deep pipeline.
const LANES: usize = 32;
/// Columns of a pass of average length, below which the middle of the step is left out.
const NARROWEST: f64 = 2.0;
/// Columns of a pass of average length in what is then shown.
const READABLE: f64 = 5.5;
/// Columns that stand for what is left out.
const ELLIPSIS: &str = " … ";

/// Draws one lane of characters per stage, no line longer than `width` columns: `>` forward, `<`
/// backward, `.` idle, with the number of the micro-batch where there is room. What does not fit
/// is left out of the middle.
#[must_use]
pub fn timeline_text(timeline: &Timeline, width: usize) -> String {
    let shown = lanes(timeline.peak_in_flight.len(), LANES);
    let digits = (timeline.peak_in_flight.len().saturating_sub(1))
        .to_string()
        .len();
    let holds: Vec<String> = timeline
        .peak_in_flight
        .iter()
        .map(|held| format!("| {held}"))
        .collect();
    let after = holds.iter().map(String::len).max().unwrap_or(0);
    let before = "stage  |".len() + digits;
    // A terminal too narrow for a lane gets one all the same, and `finish` cuts it.
    let room = width.saturating_sub(before + after).max(16);

    let (pieces, used) = columns(timeline, room);
    let mut lines = header(timeline);
    let mut of_stage = timeline.events.chunk_by(|a, b| a.stage == b.stage);
    let mut next = 0;
    for lane in shown {
        let Some(stage) = lane else {
            lines.push(format!("{:>before$}{}", "… |", " ".repeat(used)));
            continue;
        };
        let events = of_stage.nth(stage - next).unwrap_or_default();
        next = stage + 1;
        let mut line = format!("stage {stage:>digits$} |");
        line.push_str(&draw_lane(events, timeline, &pieces, used));
        line.push_str(&holds[stage]);
        lines.push(line);
    }
    lines.push(axis(timeline, &pieces, before, used));
    lines.extend(legend(timeline, &pieces, width));
    finish(&lines, width)
}

/// The parts of the time axis on at most `room` columns, and the columns used. A forward pass gets
/// whole columns where that costs little, so that equal passes look equal.
fn columns(timeline: &Timeline, room: usize) -> (Vec<Part>, usize) {
    let input = &timeline.input;
    let forward = input.forward_seconds / input.chunks as f64;
    let average = (input.forward_seconds + input.backward_seconds) / (2.0 * input.chunks as f64);
    let snap = |per_second: f64| {
        let whole = (forward * per_second).floor() / forward;
        if whole >= 0.6 * per_second {
            whole
        } else {
            per_second
        }
    };
    let gap = ELLIPSIS.chars().count();
    // Both halves are whole columns.
    let even = room - (room - gap) % 2;
    let readable = average * snap(READABLE / average);
    let ends = parts(timeline, even as f64, gap as f64, NARROWEST, readable);
    if ends.len() > 1 {
        return (ends, even);
    }
    let used = timeline.seconds * snap(room as f64 / timeline.seconds);
    let used = (used.round() as usize).clamp(1, room);
    (
        parts(timeline, used as f64, gap as f64, 0.0, readable),
        used,
    )
}

fn header(timeline: &Timeline) -> Vec<String> {
    let input = &timeline.input;
    let mut line = format!(
        "{}: {}, {}",
        name(input.schedule),
        counted(input.stages, "stage"),
        counted(input.micro_batches, "micro-batch"),
    );
    if input.chunks > 1 {
        line.push_str(", ");
        line.push_str(&counted(input.chunks, "chunk"));
        line.push_str(" per stage");
    }
    vec![
        line,
        format!("{}, {}", time(timeline.seconds), bubble(timeline)),
    ]
}

/// The characters of one stage.
fn draw_lane(events: &[Event], timeline: &Timeline, pieces: &[Part], columns: usize) -> String {
    let mut lane = vec!['.'; columns];
    for piece in pieces {
        // The events of a stage follow one another in time.
        let first = events.partition_point(|event| event.end <= piece.from);
        for event in events[first..]
            .iter()
            .take_while(|event| piece.shows(event.start, event.end))
        {
            let begin = (piece.place(event.start).round() as usize).min(columns);
            let end = (piece.place(event.end).round() as usize).clamp(begin, columns);
            draw_pass(&mut lane[begin..end], event, timeline.input.chunks);
        }
    }
    if let [first, .., second] = pieces {
        let from = first.place(first.to).round() as usize;
        let to = second.at.round() as usize;
        for (cell, character) in lane[from..to].iter_mut().zip(ELLIPSIS.chars()) {
            *cell = character;
        }
    }
    lane.into_iter().collect()
}

/// A pass: its micro-batch (and chunk as a letter), then its direction.
fn draw_pass(cells: &mut [char], event: &Event, chunks: u64) {
    let mut label = event.micro_batch.to_string();
    if chunks > 1 && chunks <= 26 && label.len() + 1 < cells.len() {
        label.push(char::from(b'a' + event.chunk as u8));
    }
    cells.fill(match event.pass {
        Pass::Forward => '>',
        Pass::Backward => '<',
    });
    if label.len() < cells.len() {
        for (cell, character) in cells.iter_mut().zip(label.chars()) {
            *cell = character;
        }
    }
}

/// The times at the edges of the parts.
fn axis(timeline: &Timeline, pieces: &[Part], before: usize, columns: usize) -> String {
    let mut line = vec![' '; before + columns];
    let mut write = |text: &str, at: usize| {
        for (cell, character) in line.iter_mut().skip(at).zip(text.chars()) {
            *cell = character;
        }
    };
    write("0", before);
    if let [first, .., second] = pieces {
        let text = time(first.to);
        let end = before + first.place(first.to).round() as usize;
        write(&text, end.saturating_sub(text.len()));
        write(&time(second.from), before + second.at.round() as usize);
    }
    let text = time(timeline.seconds);
    write(&text, (before + columns).saturating_sub(text.len()));
    line.into_iter().collect()
}

fn legend(timeline: &Timeline, pieces: &[Part], width: usize) -> Vec<String> {
    let chunks = timeline.input.chunks;
    let mut entries = vec![
        "> forward".to_owned(),
        "< backward".to_owned(),
        ". idle".to_owned(),
        "numbers: micro-batches".to_owned(),
    ];
    if (2..=26).contains(&chunks) {
        let last = char::from(b'a' + (chunks - 1) as u8);
        entries.push(format!("letters: chunks a to {last}"));
    }
    let column = pieces.first().map_or(0.0, |piece| 1.0 / piece.scale);
    entries.push(format!("1 column: {}", time(column)));
    entries.push(match timeline.input.schedule {
        Schedule::Interleaved => "right: most chunks of micro-batches held".to_owned(),
        Schedule::Gpipe | Schedule::OneForwardOneBackward => {
            "right: most micro-batches held".to_owned()
        }
    });
    let mut lines: Vec<String> = Vec::new();
    for entry in entries {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 3 + entry.len() <= width => {
                line.push_str("   ");
                line.push_str(&entry);
            }
            _ => lines.push(entry),
        }
    }
    lines
}

/// Cuts every line to `width` characters and takes spaces off its end.
fn finish(lines: &[String], width: usize) -> String {
    let mut text = String::new();
    for line in lines {
        let cut: String = line.chars().take(width).collect();
        text.push_str(cut.trim_end());
        text.push('\n');
    }
    text
}
