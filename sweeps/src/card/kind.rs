//! What a card claims, and what of it counts.

use words::named;

named! {
    /// What a card claims to reproduce, if anything: a proxy may show a symptom without sharing its cause.
    pub enum Kind {
        /// The observable failure only.
        Symptom = "symptom",
        /// The cause as well.
        Mechanism = "mechanism",
        /// Nothing: it looks around, has no criterion, and gives no verdict.
        Exploration = "exploration",
    }
}

named! {
    /// Whether a run counts for the verdict.
    pub enum Role {
        /// Counts in the test of the criterion.
        Confirmatory = "confirmatory",
        /// Shown only.
        Descriptive = "descriptive",
    }
}
