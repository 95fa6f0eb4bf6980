//! From bytes that come piece by piece to whole characters: a token may end inside one.

/// Bytes that are no whole character yet.
#[derive(Debug, Default)]
pub struct TextStream {
    held: Vec<u8>,
}

impl TextStream {
    /// Takes bytes and gives all text that no further byte can change; what is no text becomes U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            let (valid, cut) = match std::str::from_utf8(&self.held) {
                Ok(all) => (all.len(), None),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            text.push_str(&String::from_utf8_lossy(&self.held[..valid]));
            self.held.drain(..valid + cut.unwrap_or(0));
            match cut {
                Some(_) => text.push(char::REPLACEMENT_CHARACTER),
                None => return text,
            }
        }
    }

    /// What is left at the end: U+FFFD for a character that was never finished.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_is_given_when_it_is_whole() {
        let mut stream = TextStream::default();
        let bytes = "模a".as_bytes();
        assert_eq!(stream.push(&bytes[..2]), "");
        assert_eq!(stream.push(&bytes[2..]), "模a");
        assert_eq!(stream.push(&[0xe6, b'x']), "\u{fffd}x");
        assert_eq!(stream.push(&[0xe6, 0xa8]), "");
        assert_eq!(stream.finish(), "\u{fffd}");
        assert_eq!(stream.finish(), "");
    }

    proptest! {
        /// However bytes are cut, the text is the same as that of all bytes at once.
        #[test]
        fn pieces_give_the_text_of_the_whole(bytes: Vec<u8>, cuts in prop::collection::vec(1_usize..5, 0..40)) {
            let mut stream = TextStream::default();
            let (mut text, mut rest) = (String::new(), bytes.as_slice());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                text += &stream.push(piece);
                rest = after;
            }
            text += &stream.push(rest);
            text += &stream.finish();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
