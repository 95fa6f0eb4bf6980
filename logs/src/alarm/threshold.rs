//! The number in a detector that a user may choose.

/// Where a detector raises an alarm, in the unit of [`Alarm::score`](super::Alarm::score).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Standard or robust deviations from the level.
    Deviations(f64),
    /// A multiple of the level.
    Factor(f64),
    /// A number of things that happened, of at most `most`.
    Count {
        /// How many are an alarm.
        least: u32,
        /// How many there can be.
        most: u32,
    },
    /// There is nothing to choose: only what is not finite.
    Fixed,
}

impl Threshold {
    /// The number; infinite where there is nothing to choose.
    #[must_use]
    pub fn number(self) -> f64 {
        match self {
            Self::Deviations(number) | Self::Factor(number) => number,
            Self::Count { least, .. } => f64::from(least),
            Self::Fixed => f64::INFINITY,
        }
    }

    /// The same kind of threshold with another number, or what would be a number of this kind.
    pub fn with(self, number: f64) -> Result<Self, String> {
        let (holds, same, expected) = match self {
            Self::Deviations(_) => (
                number.is_finite() && number > 0.0,
                Self::Deviations(number),
                "a finite number of deviations above 0".to_owned(),
            ),
            Self::Factor(_) => (
                number.is_finite() && number > 1.0,
                Self::Factor(number),
                "a finite factor above 1".to_owned(),
            ),
            Self::Count { most, .. } => (
                number.fract() == 0.0 && (1.0..=f64::from(most)).contains(&number),
                Self::Count {
                    least: number as u32,
                    most,
                },
                format!("a whole number from 1 to {most}"),
            ),
            Self::Fixed => (false, self, "no threshold".to_owned()),
        };
        if holds { Ok(same) } else { Err(expected) }
    }

    /// A threshold `factor` times as high; one that is a factor itself is raised to that power, and a count rounded up,
    /// also above what can be reached. None where there is nothing to choose.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Option<Self> {
        match self {
            Self::Deviations(number) => Some(Self::Deviations(number * factor)),
            Self::Factor(number) => Some(Self::Factor(number.powf(factor))),
            Self::Count { least, most } => Some(Self::Count {
                least: ((f64::from(least) * factor).ceil() as u32).max(1),
                most,
            }),
            Self::Fixed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_fits_its_kind_or_is_refused_with_what_would() {
        let count = Threshold::Count { least: 3, most: 10 };
        for (threshold, right, wrong) in [
            (Threshold::Deviations(7.0), 0.5, 0.0),
            (Threshold::Deviations(7.0), 1e9, f64::INFINITY),
            (Threshold::Factor(1.25), 1.01, 1.0),
            (Threshold::Factor(1.25), 2.0, f64::NAN),
            (count, 10.0, 11.0),
            (count, 1.0, 1.5),
        ] {
            assert_eq!(threshold.with(right).map(Threshold::number), Ok(right));
            assert!(threshold.with(wrong).is_err(), "{threshold:?}: {wrong}");
        }
        assert_eq!(count.with(0.0).unwrap_err(), "a whole number from 1 to 10");
        assert!(Threshold::Fixed.with(1.0).is_err());
    }
}
