//! Time limits of jobs.

/// Seconds before its time limit at which a job is told to save its state: as long as a process has to end that was asked
/// to.
const AHEAD: u64 = 120;

/// The argument of `sbatch` that has a job told before its time is over: a quarter of a short time, since who is told
/// at once trains nothing.
pub(super) fn warning(limit: Option<&str>) -> String {
    let limit = limit.and_then(seconds);
    let ahead = limit.map_or(AHEAD, |limit| AHEAD.min(limit / 4));
    format!("--signal=B:TERM@{ahead}")
}

/// Seconds of a time limit as Slurm writes it: `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`,
/// `days-hours:minutes`, `days-hours:minutes:seconds`. None for any other text, such as `UNLIMITED`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let parts = text.split(':');
        parts.map(|part| part.parse().ok()).collect()
    };
    let (days, [hours, minutes, seconds]) = match text.split_once('-') {
        Some((days, rest)) => {
            let days = days.parse().ok()?;
            match *numbers(rest)? {
                [hours] => (days, [hours, 0, 0]),
                [hours, minutes] => (days, [hours, minutes, 0]),
                [hours, minutes, seconds] => (days, [hours, minutes, seconds]),
                _ => return None,
            }
        }
        None => match *numbers(text)? {
            [minutes] => (0, [0, minutes, 0]),
            [minutes, seconds] => (0, [0, minutes, seconds]),
            [hours, minutes, seconds] => (0, [hours, minutes, seconds]),
            _ => return None,
        },
    };
    let units = [(days, 86_400), (hours, 3600), (minutes, 60), (seconds, 1)];
    let terms = units.map(|(count, unit): (u64, u64)| count.checked_mul(unit));
    terms
        .into_iter()
        .try_fold(0_u64, |sum, term| sum.checked_add(term?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_writes_them() {
        for (text, expected) in [
            ("30", Some(1800)),
            ("2:30", Some(150)),
            ("1:00:00", Some(3600)),
            ("1-2", Some(93_600)),
            ("1-0:30", Some(88_200)),
            ("1-00:00:01", Some(86_401)),
            ("UNLIMITED", None),
            ("", None),
            ("-1", None),
            ("1:2:3:4", None),
            ("99999999999999999999", None),
            ("9999999999999999999", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_job_of_a_minute_is_not_told_at_its_start() {
        assert_eq!(warning(None), "--signal=B:TERM@120");
        assert_eq!(warning(Some("1-0")), "--signal=B:TERM@120");
        assert_eq!(warning(Some("1")), "--signal=B:TERM@15");
    }
}
