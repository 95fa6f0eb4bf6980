//! A key whose value is one of a few, each with a row of data.

/// Declares an enum of a key's values. Each has a name in TOML and a row, and what the rest of the program
/// does with a value it reads from the row: a new value is one line here, and a property of its own is
/// a field that every row must fill.
macro_rules! choice {
    (
        $(#[$about:meta])*
        pub enum $choice:ident: $row:ty {
            $($(#[$doc:meta])* $value:ident = $name:literal: $data:expr,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $choice {
            $($(#[$doc])* #[serde(rename = $name)] $value,)+
        }

        impl $choice {
            /// All values, in the order in which they are documented.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$value),+];

            /// The key's value in TOML.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }

            /// What is computed.
            #[must_use]
            pub fn row(self) -> &'static $row {
                match self {
                    $(Self::$value => {
                        static ROW: $row = $data;
                        &ROW
                    })+
                }
            }
        }
    };
}

pub(super) use choice;
