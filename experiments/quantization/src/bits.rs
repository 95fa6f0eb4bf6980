//! How many bits a code has.

use crate::error::QuantizeError;
use serde::Serialize;

/// Bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Bits {
    /// Two codes in a byte, −7 to 7.
    Four,
    /// −127 to 127.
    Eight,
}

impl Bits {
    /// As people write it.
    pub fn new(bits: u8) -> Result<Self, QuantizeError> {
        match bits {
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            other => Err(QuantizeError::Bits(other)),
        }
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> u8 {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The largest code, 2^(bits − 1) − 1; the smallest is its negative.
    #[must_use]
    pub fn largest(self) -> i32 {
        (1 << (self.count() - 1)) - 1
    }

    /// Codes in a byte.
    #[must_use]
    pub fn codes_per_byte(self) -> usize {
        8 / usize::from(self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_4_and_8() {
        let largest = [4, 8].map(|bits| Bits::new(bits).map(Bits::largest));
        assert_eq!(largest, [Ok(7), Ok(127)]);
        assert_eq!(Bits::new(3), Err(QuantizeError::Bits(3)));
    }
}
