//! Arithmetic on sizes that a user gives: 0 and overflow are errors that name the size.

use crate::PlanError;

/// Largest number of bytes that is taken seriously: 2^60, an exbibyte.
const MOST_BYTES: f64 = 1_152_921_504_606_846_976.0;

/// `value` if it is above 0.
pub fn positive(what: &str, value: u64) -> Result<u64, PlanError> {
    if value > 0 {
        return Ok(value);
    }
    Err(PlanError::Size {
        what: what.to_owned(),
        value: "0".to_owned(),
        expected: "must be at least 1".to_owned(),
    })
}

/// The product, or an error that names it.
pub fn product(what: &str, factors: &[u64]) -> Result<u64, PlanError> {
    let product = factors.iter().try_fold(1_u64, |a, b| a.checked_mul(*b));
    product.ok_or_else(|| PlanError::Size {
        what: what.to_owned(),
        value: factors
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(" × "),
        expected: format!("more than the largest number here, {}", u64::MAX),
    })
}

/// The sum, or an error that names it.
pub(crate) fn sum(what: &str, terms: &[u64]) -> Result<u64, PlanError> {
    let sum = terms.iter().try_fold(0_u64, |a, b| a.checked_add(*b));
    sum.ok_or_else(|| PlanError::Size {
        what: what.to_owned(),
        value: terms
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(" + "),
        expected: format!("more than the largest number here, {}", u64::MAX),
    })
}

/// A count of bytes, rounded up. Sizes of tensors are worked out in double precision, exact up to
/// 9 PB, so that no product of user-supplied sizes can wrap around.
pub(crate) fn bytes(what: &str, value: f64) -> Result<u64, PlanError> {
    if (0.0..MOST_BYTES).contains(&value) {
        return Ok(value.ceil() as u64);
    }
    Err(PlanError::Size {
        what: what.to_owned(),
        value: format!("{value:.3e} bytes"),
        expected: "must be below an exbibyte (2^60 bytes)".to_owned(),
    })
}
