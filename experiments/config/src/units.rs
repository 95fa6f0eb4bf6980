//! Counts that stand beside each other and are easily taken for one another. In files they are plain numbers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::AddAssign;

macro_rules! unit {
    ($(#[$about:meta])* $Unit:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Unit(pub u64);

        /// So many sequences on.
        impl AddAssign<u64> for $Unit {
            fn add_assign(&mut self, sequences: u64) {
                self.0 += sequences;
            }
        }

        impl fmt::Display for $Unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

unit! {
    /// Sequences that were trained on.
    Samples
}

unit! {
    /// A place in the data, in sequences from its beginning: those trained on, and those passed over.
    Position
}
