//! Why a plan cannot be made.

/// Errors of a plan; each names the constraint and the nearest legal values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A layout breaks a constraint.
    #[error("{constraint}; nearest legal: {nearest}")]
    Layout {
        /// The constraint and the values that break it.
        constraint: String,
        /// What would be legal.
        nearest: String,
    },
    /// No such hardware.
    #[error("no GPU is called `{name}`; known: {known}{hint}")]
    Hardware {
        /// What was asked for.
        name: String,
        /// Comma-separated names.
        known: String,
        /// `; did you mean ...` or empty.
        hint: String,
    },
    /// A size is 0, negative or so large that the arithmetic would overflow.
    #[error("`{what}` is {value}, {expected}")]
    Size {
        /// The quantity.
        what: String,
        /// Its value.
        value: String,
        /// What was expected.
        expected: String,
    },
}
