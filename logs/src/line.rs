//! One line of a log file: a JSON object whose last field is the checksum of everything before it.
//!
//! `{"step":12,"loss":3.2,"crc":"1a2b3c4d"}` carries in `crc` the CRC-32 (IEEE, 8 hex digits) of
//! the bytes `{"step":12,"loss":3.2`. `jq`, pandas and `DuckDB` read such a line as it is, and a
//! reader of a growing file can tell a half-written line from a whole one.

/// Bytes that follow the checksummed part: `,"crc":"` 8 digits `"}`.
const SEAL_LEN: usize = 18;

/// Why a line was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line does not end in a checksum field.
    #[error("expected the line to end in `,\"crc\":\"xxxxxxxx\"}}`")]
    NoChecksum,
    /// The checksum does not match the text.
    #[error("the checksum is {found}, expected {expected}")]
    Checksum {
        /// Checksum of the text as it stands.
        expected: String,
        /// Checksum written in the line.
        found: String,
    },
    /// The text is whole but not the JSON that was expected.
    #[error("unexpected content: {0}")]
    Content(String),
}

/// Closes a JSON object, given without its final `}`, with its checksum. The object has at least one field.
pub(crate) fn seal(open_object: String) -> String {
    let crc = crc32fast::hash(open_object.as_bytes());
    open_object + &format!(",\"crc\":\"{crc:08x}\"}}")
}

/// Checks the seal of `line`, which is given without its newline, and returns it as text.
pub(crate) fn check(line: &[u8]) -> Result<&str, LineError> {
    let start = line
        .len()
        .checked_sub(SEAL_LEN)
        .ok_or(LineError::NoChecksum)?;
    let (body, seal) = line.split_at(start);
    let found = seal
        .strip_prefix(b",\"crc\":\"")
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .ok_or(LineError::NoChecksum)?;
    let expected = format!("{:08x}", crc32fast::hash(body));
    if found != expected {
        let found = found.to_owned();
        return Err(LineError::Checksum { expected, found });
    }
    std::str::from_utf8(line).map_err(|error| LineError::Content(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_is_accepted_and_any_changed_byte_refused() {
        // The checksum is that of Python's `zlib.crc32`.
        let line = seal("{\"step\":12,\"loss\":3.25".into());
        assert_eq!(line, "{\"step\":12,\"loss\":3.25,\"crc\":\"f255b911\"}");
        assert_eq!(check(line.as_bytes()), Ok(line.as_str()));
        for i in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[i] ^= 1;
            assert!(check(&bytes).is_err(), "byte {i}");
        }
        assert_eq!(check(b"{}"), Err(LineError::NoChecksum));
    }
}
