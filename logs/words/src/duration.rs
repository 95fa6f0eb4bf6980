//! Spans of time.

/// `45 s`, `4 min 05 s`, `3 h 20 min`; `-` for what is no span.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let Some(seconds) = whole(seconds) else {
        return "-".to_owned();
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A span where columns are scarce: `45s`, `3m 20s`, `2h 05m`, `3d 04h`; `?` for what is no span.
#[must_use]
pub fn short_duration(seconds: f64) -> String {
    let Some(seconds) = whole(seconds) else {
        return "?".to_owned();
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{}d {:02}h", hours / 24, hours % 24),
    }
}

/// Whole seconds, where there are any; beyond 30 million years more digits say nothing.
fn whole(seconds: f64) -> Option<u64> {
    (seconds.is_finite() && seconds >= 0.0).then(|| seconds.round().min(1e15) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_shown() {
        assert_eq!(
            [5.4, 59.6, 245.0, 12_000.0, 273_600.0, f64::NAN, -1.0].map(duration),
            [
                "5 s",
                "1 min 00 s",
                "4 min 05 s",
                "3 h 20 min",
                "76 h 00 min",
                "-",
                "-"
            ]
        );
        assert_eq!(
            [45.2, 200.0, 7500.0, 273_600.0, f64::NAN].map(short_duration),
            ["45s", "3m 20s", "2h 05m", "3d 04h", "?"]
        );
    }
}
