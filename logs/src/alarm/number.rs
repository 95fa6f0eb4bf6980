//! Numbers in the JSON of an alarm: those that JSON lacks are written as `"nan"`, `"inf"`, `"-inf"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::{from_kind, kind};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Kind(String),
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        Number::Finite(*value)
    } else {
        Number::Kind(kind(*value).to_owned())
    }
    .serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Finite(value) => Ok(value),
        Number::Kind(kind) => from_kind(&kind).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{kind}` is no number: expected \"nan\", \"inf\" or \"-inf\""
            ))
        }),
    }
}
