//! What is done with a matrix, and how it is called.

use crate::blocks::Sharing;
use crate::error::QuantizeError;
use crate::rule::Rule;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

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

/// A rule and what shares a scale, written `RULE-SHARING`: `absmax-row`, `zero-point-group-64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// How a scale is chosen.
    pub rule: Rule,
    /// Which elements share one.
    pub sharing: Sharing,
}

impl Scheme {
    /// The published one.
    pub const PUBLISHED: Self = Self {
        rule: Rule::Absmax,
        sharing: Sharing::Row,
    };

    /// Every rule with every way to share; groups of 32, 64 and 128.
    pub fn all() -> impl Iterator<Item = Self> {
        let sharings = [Sharing::Row, Sharing::Column, Sharing::Tensor]
            .into_iter()
            .chain([32, 64, 128].map(Sharing::Group));
        Rule::ALL
            .into_iter()
            .flat_map(move |rule| sharings.clone().map(move |sharing| Self { rule, sharing }))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let rule = self.rule.name();
        match self.sharing {
            Sharing::Row => write!(f, "{rule}-row"),
            Sharing::Column => write!(f, "{rule}-column"),
            Sharing::Tensor => write!(f, "{rule}-tensor"),
            Sharing::Group(size) => write!(f, "{rule}-group-{size}"),
        }
    }
}

impl FromStr for Scheme {
    type Err = QuantizeError;

    fn from_str(name: &str) -> Result<Self, QuantizeError> {
        let found = Rule::ALL.into_iter().find_map(|rule| {
            let sharing = name.strip_prefix(rule.name())?.strip_prefix('-')?;
            let sharing = match (sharing, sharing.strip_prefix("group-")) {
                ("row", _) => Sharing::Row,
                ("column", _) => Sharing::Column,
                ("tensor", _) => Sharing::Tensor,
                (_, Some(size)) => Sharing::Group(size.parse().ok().filter(|size| *size > 0)?),
                _ => return None,
            };
            Some(Self { rule, sharing })
        });
        found.ok_or_else(|| {
            let names: Vec<String> = Self::all().map(|scheme| scheme.to_string()).collect();
            let rules = Rule::ALL.map(Rule::name).join(", ");
            let hint = words::hint(name, &names);
            QuantizeError::Scheme {
                name: name.to_owned(),
                problem: format!(
                    "expected {rules}, each with -row, -column, -tensor or -group-N{hint}"
                ),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_read_as_it_is_written() {
        for scheme in Scheme::all() {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
        assert_eq!(Scheme::PUBLISHED.to_string(), "absmax-row");
    }

    #[test]
    fn what_is_no_scheme_is_refused_with_the_nearest() {
        let said = "absmax-rows".parse::<Scheme>().unwrap_err().to_string();
        assert!(said.contains("did you mean `absmax-row`?"), "{said}");
        for name in [
            "",
            "absmax",
            "absmax-group-0",
            "absmax-group-x",
            "absmax-group--1",
            "row",
        ] {
            assert!(name.parse::<Scheme>().is_err(), "{name}");
        }
        assert!(Bits::new(3).is_err());
    }
}
