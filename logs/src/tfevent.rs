//! `TensorBoard` event files, as far as scalars need them: framing, checksum and messages.
//!
//! A file is a sequence of records, each `length: u64 LE`, `masked CRC-32C of the length`, `payload`,
//! `masked CRC-32C of the payload`, with mask(c) = rotr(c, 15) + 0xa282ead8 (TensorFlow's
//! `lib/io/record_writer.cc`, `lib/hash/crc32c.h`). A payload is a `tensorflow.Event` of protocol
//! buffers (`core/util/event.proto`), the first of which names the format version.

use prost::{Enumeration, Message};

/// `tensorflow.Event`. In TensorFlow `file_version` and `summary` belong to a oneof, so their presence
/// counts; hence `optional`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    #[prost(double, tag = "1")]
    pub(crate) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    #[prost(string, optional, tag = "3")]
    pub(crate) file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(crate) summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    pub(crate) session_log: Option<SessionLog>,
}

/// `tensorflow.SessionLog`: a start says that what was told of its step and later ones counts no more.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SessionLog {
    #[prost(enumeration = "SessionStatus", tag = "1")]
    pub(crate) status: i32,
}

/// `tensorflow.SessionLog.SessionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
pub(crate) enum SessionStatus {
    Unspecified = 0,
    Start = 1,
    Stop = 2,
    Checkpoint = 3,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) value: Vec<Value>,
}

/// `tensorflow.Summary.Value`: TF1 writers store a scalar as `simple_value`, TF2 writers as a tensor.
#[allow(clippy::struct_field_names, reason = "TensorFlow's names")]
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    #[prost(float, optional, tag = "2")]
    pub(crate) simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    pub(crate) tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    pub(crate) metadata: Option<Metadata>,
}

/// `tensorflow.SummaryMetadata`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(crate) plugin_data: Option<Plugin>,
}

/// `tensorflow.SummaryMetadata.PluginData`: which plugin draws the values of the tag.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Plugin {
    #[prost(string, tag = "1")]
    pub(crate) plugin_name: String,
    /// What the plugin makes of it.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) content: Vec<u8>,
}

/// `tensorflow.TensorProto`: the elements stand in `tensor_content` as raw little-endian numbers, or in the
/// list of their type.
#[allow(clippy::struct_field_names, reason = "TensorFlow's names")]
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    /// `tensorflow.DataType`.
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) tensor_content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    pub(crate) float_val: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(crate) double_val: Vec<f64>,
    #[prost(int32, repeated, tag = "7")]
    pub(crate) int_val: Vec<i32>,
    #[prost(int64, repeated, tag = "10")]
    pub(crate) int64_val: Vec<i64>,
}

/// The checksum of a record's length or payload.
pub(crate) fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c_with_tensorflows_mask() {
        // RFC 3720, B.4: the CRC-32C of 32 zero bytes is 0x8a9136aa.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(
            masked_crc(&[0; 32]),
            0x6d55_1522_u32.wrapping_add(0xa282_ead8)
        );
    }
}
