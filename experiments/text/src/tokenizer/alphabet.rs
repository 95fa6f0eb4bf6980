//! The byte-level alphabet: one printable character per byte, as in GPT-2's `encoder.py`
//! (`bytes_to_unicode`), which `tokenizers` uses inside but does not offer.

/// The character of a byte: itself where ISO-8859-1 prints it, else the next one from U+0100.
pub(super) fn character(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !is_printable(*b)).count();
    // At most 68 bytes are not printable, so this stays below U+0144.
    char::from_u32(0x100 + before as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The bytes that a token stands for.
pub(super) fn bytes(token: &str) -> Vec<u8> {
    let byte = |wanted: char| (0..=255).find(|byte| character(*byte) == wanted);
    token.chars().filter_map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    /// Ids of bytes would be wrong if the library's alphabet were another.
    #[test]
    fn alphabet_is_the_library_s() {
        let all: BTreeSet<char> = (0..=255).map(character).collect();
        assert_eq!(all.len(), 256);
        assert_eq!(all, ByteLevel::alphabet().into_iter().collect());
        assert_eq!(character(b' '), 'Ġ');
        assert_eq!(bytes("Ġa"), b" a");
    }
}
