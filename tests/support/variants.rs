//! The words of an enumeration in files, as its own deserialiser knows them: no list that could be forgotten.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

/// All variants of `T`, as they are written.
pub fn of<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    match T::deserialize(Asked) {
        Err(Variants(names)) => names.to_vec(),
        Ok(_) => panic!("no enumeration"),
    }
}

/// Says what it is asked for, as an error.
struct Asked;

#[derive(Debug)]
struct Variants(&'static [&'static str]);

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Variants {}

impl Error for Variants {
    fn custom<T: fmt::Display>(message: T) -> Self {
        panic!("{message}")
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Variants;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Variants> {
        panic!("no enumeration")
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Variants> {
        Err(Variants(names))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
