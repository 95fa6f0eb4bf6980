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

/// Minutes that a job may take which was measured to take so many seconds here: twice that, since a node may be slower, and
/// ten minutes, but no more than the seconds that its partition allows. A job that needs longer is told in time, and its run
/// goes on in another one.
pub(super) fn limit(seconds: f64, longest: Option<u64>) -> u64 {
    let wanted = ((2.0 * seconds).ceil() as u64).saturating_add(600);
    longest
        .map_or(wanted, |longest| wanted.min(longest))
        .div_ceil(60)
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

    /// Room for a slower node, whole minutes as `sbatch --time` reads a number, and never more than is allowed, whatever was
    /// measured.
    #[test]
    fn a_measured_job_may_take_twice_as_long_and_ten_minutes_but_no_more_than_its_partition_allows()
    {
        let hour = Some(3600);
        for (seconds, longest, minutes) in [
            (0.0, None, 10),
            (0.2, None, 11),
            (30.0, hour, 11),
            (30.1, hour, 12),
            (1500.0, hour, 60),
            (1501.0, hour, 60),
            (1501.0, None, 61),
            (90_000.0, Some(86_400), 1440),
            (f64::INFINITY, hour, 60),
        ] {
            assert_eq!(limit(seconds, longest), minutes, "{seconds} {longest:?}");
        }
        // What is asked for is what `sbatch` is told, and what a job is warned of.
        assert_eq!(seconds(&limit(30.0, hour).to_string()), Some(660));
        assert!(limit(f64::INFINITY, None) > 1 << 40);
    }

    #[test]
    fn a_job_of_a_minute_is_not_told_at_its_start() {
        assert_eq!(warning(None), "--signal=B:TERM@120");
        assert_eq!(warning(Some("1-0")), "--signal=B:TERM@120");
        assert_eq!(warning(Some("1")), "--signal=B:TERM@15");
    }
}
