//! Values that have names.

/// A value out of a few, each with a name of its own: in files, on the command line and for people.
pub trait Named: Sized + Copy + 'static {
    /// All of them, in the order in which they are documented.
    const VALUES: &'static [Self];

    /// Its name.
    fn named(self) -> &'static str;

    /// The one of that name.
    #[must_use]
    fn find(name: &str) -> Option<Self> {
        let mut values = Self::VALUES.iter().copied();
        values.find(|value| value.named() == name)
    }
}

/// Declares an enum whose values each have a name, which is also what files hold; serde must be a dependency
/// of the crate.
///
/// With a type behind the enum's name each value also has a row of data, and what the rest of the program does
/// with a value it reads from the row: a new value is one line, and a property of its own is a field that every
/// row must fill.
#[macro_export]
macro_rules! named {
    (
        $(#[$about:meta])*
        $vis:vis enum $Enum:ident {
            $($(#[$doc:meta])* $Value:ident = $name:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $vis enum $Enum {
            $($(#[$doc])* #[serde(rename = $name)] $Value,)+
        }

        impl $Enum {
            /// All of them, in the order in which they are documented.
            $vis const ALL: [Self; [$($name),+].len()] = [$(Self::$Value),+];

            /// Its name, in files and for people.
            #[must_use]
            $vis const fn name(self) -> &'static str {
                match self {
                    $(Self::$Value => $name,)+
                }
            }
        }

        impl $crate::Named for $Enum {
            const VALUES: &'static [Self] = &Self::ALL;

            fn named(self) -> &'static str {
                self.name()
            }
        }
    };
    (
        $(#[$about:meta])*
        $vis:vis enum $Enum:ident: $row:ty {
            $($(#[$doc:meta])* $Value:ident = $name:literal: $data:expr,)+
        }
    ) => {
        $crate::named! {
            $(#[$about])*
            $vis enum $Enum {
                $($(#[$doc])* $Value = $name,)+
            }
        }

        impl $Enum {
            /// What is known of it.
            #[must_use]
            $vis fn row(self) -> &'static $row {
                match self {
                    $(Self::$Value => {
                        static ROW: $row = $data;
                        &ROW
                    })+
                }
            }
        }
    };
}
