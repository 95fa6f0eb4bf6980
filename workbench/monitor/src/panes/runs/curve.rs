//! The training loss of a run in one row of characters.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The greatest loss of each of `columns` equal parts of the losses in their order, between the least and the greatest of the run; `✕` where
/// one was not finite. Empty of a run without a loss.
pub(super) fn bars(losses: &[(u32, f64)], columns: usize) -> String {
    let columns = columns.min(losses.len());
    if columns == 0 {
        return String::new();
    }
    let part = |column: usize| {
        let (from, to) = (
            column * losses.len() / columns,
            (column + 1) * losses.len() / columns,
        );
        let part = losses[from..to].iter().map(|(_, loss)| *loss);
        part.reduce(|high, loss| {
            if high.is_finite() && (loss > high || !loss.is_finite()) {
                loss
            } else {
                high
            }
        })
    };
    let parts: Vec<f64> = (0..columns).filter_map(part).collect();
    let finite = || parts.iter().copied().filter(|loss| loss.is_finite());
    let (low, high) = (
        finite().fold(f64::INFINITY, f64::min),
        finite().fold(f64::NEG_INFINITY, f64::max),
    );
    let bar = |loss: &f64| {
        if !loss.is_finite() {
            return '✕';
        }
        let share = if high > low {
            (loss - low) / (high - low)
        } else {
            0.0
        };
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    parts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(losses: &[f64], columns: usize) -> String {
        let losses: Vec<(u32, f64)> = (0..).zip(losses.iter().copied()).collect();
        bars(&losses, columns)
    }

    #[test]
    fn a_spike_of_one_step_and_a_lost_one_are_seen() {
        let mut losses = vec![3.0; 1000];
        losses[0] = 5.0;
        losses[500] = 9.0;
        losses[900] = f64::NAN;
        assert_eq!(of(&losses, 10), "▃▁▁▁▁█▁▁▁✕");
        assert_eq!(of(&[2.0, 2.0], 10), "▁▁");
        assert_eq!(of(&[], 10), "");
        assert_eq!(of(&[f64::INFINITY; 3], 2), "✕✕");
    }
}
