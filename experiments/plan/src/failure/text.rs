//! A failure estimate for people.

use super::{DAY, FailureEstimate, IntervalRow, Ranged};
use std::fmt::Write as _;
use words::{counted, thousands};

impl FailureEstimate {
    /// The estimate as lines of at most 110 columns.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (input, real) = (&self.input, &self.real);
        writeln!(text, "Failures on {}", counted(input.nodes, "node"))?;
        writeln!(
            text,
            "  rate              {} a node and year, from {} failures in {} days on {} nodes",
            ranged(self.per_node_year, 1.0, ""),
            real.hardware,
            real.days,
            real.nodes,
        )?;
        let (unit, size) = unit(self.between_failures.value);
        writeln!(
            text,
            "  between failures  {}",
            ranged(self.between_failures, size, unit)
        )?;
        writeln!(text, "  restart           {}", span(input.restart_seconds))?;
        writeln!(
            text,
            "  checkpoint        {}",
            span(input.checkpoint_seconds)
        )?;
        writeln!(
            text,
            "  best interval     {} by Young, {} by Daly; in whole steps of {}: {}",
            span(self.young_seconds),
            span(self.daly_seconds),
            span(input.step_seconds),
            thousands(self.best_steps),
        )?;
        writeln!(text)?;
        writeln!(
            text,
            "{:>13} {:>9} {:>8} {:>10} {:>9} {:>18} {:>8}",
            "save every", "", "saving", "redone per", "overhead", "at 95 % ends of", "goodput"
        )?;
        writeln!(
            text,
            "{:>13} {:>9} {:>8} {:>10} {:>9} {:>18} {:>8}",
            "steps", "", "", "failure", "", "the rate", ""
        )?;
        for row in &self.rows {
            write_row(text, row)?;
        }
        writeln!(text)?;
        self.write_real(text)
    }

    /// What the real run did and got.
    fn write_real(&self, text: &mut String) -> std::fmt::Result {
        let real = &self.real;
        writeln!(
            text,
            "The real run: {} restarts after hardware failures (median {} to restart), {} after divergence,",
            real.hardware,
            span(real.restart_seconds),
            real.divergence
        )?;
        writeln!(text, "{} that were wanted.", real.planned)?;
        if let Some(progress) = &real.progress {
            writeln!(
                text,
                "Steps {} to {} took {}, of which {} were steps that count: goodput {}.",
                thousands(progress.from_step),
                thousands(progress.to_step),
                span(progress.wall_seconds),
                span(progress.training_seconds),
                percent(progress.goodput),
            )?;
            writeln!(
                text,
                "Beside hardware failures this holds divergence, changes, data repair and slow nodes."
            )?;
        }
        Ok(())
    }
}

fn write_row(text: &mut String, row: &IntervalRow) -> std::fmt::Result {
    let overhead = |overhead: Option<f64>| overhead.map_or("stands".to_owned(), percent);
    let range = match (row.overhead_at_low_rate, row.overhead_at_high_rate) {
        (Some(low), Some(high)) => {
            format!(
                "{} to {}",
                percent(low).trim_end_matches(" %"),
                percent(high)
            )
        }
        (low, high) => format!("{} to {}", overhead(low), overhead(high)),
    };
    let line = format!(
        "{:>13} {:>9} {:>8} {:>10} {:>9} {:>18} {:>8}  {}",
        thousands(row.steps),
        span(row.seconds),
        percent(row.saving),
        span(row.lost_seconds),
        overhead(row.overhead),
        range,
        percent(row.goodput),
        row.note,
    );
    writeln!(text, "{}", line.trim_end())
}

fn percent(share: f64) -> String {
    if share < 10.0 {
        format!("{:.2} %", 100.0 * share)
    } else {
        ">999 %".to_owned()
    }
}

/// The largest unit in which a time is 1 or more, and its seconds.
fn unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        DAY.. => (" days", DAY),
        3600.0.. => (" h", 3600.0),
        60.0.. => (" min", 60.0),
        1.0.. => (" s", 1.0),
        _ => (" ms", 1e-3),
    }
}

fn span(seconds: f64) -> String {
    let (unit, size) = unit(seconds);
    format!("{}{unit}", short(seconds / size))
}

fn ranged(range: Ranged, size: f64, unit: &str) -> String {
    format!(
        "{}{unit} (95 %: {} to {})",
        short(range.value / size),
        short(range.low / size),
        short(range.high / size)
    )
}

/// Three significant digits, thousands separated.
fn short(value: f64) -> String {
    match value {
        1000.0.. => thousands(value.round() as u64),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
