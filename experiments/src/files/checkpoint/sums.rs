//! Checksums of a checkpoint's files, in the format of `b3sum` (`b3sum --check B3SUMS`).

use std::fmt;

/// File name of the checksums.
pub(super) const SUMS: &str = "B3SUMS";

/// BLAKE3 by file name. 256 bits: no damage goes unnoticed, and with the CPU's vector instructions
/// it costs a fraction of what the disk takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(Vec<(blake3::Hash, String)>);

impl Sums {
    /// Adds the checksum of a file.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.add_hash(name, blake3::hash(bytes));
    }

    /// Adds the checksum of a file that somebody else has written.
    pub(super) fn add_hash(&mut self, name: &str, hash: blake3::Hash) {
        self.0.push((hash, name.to_owned()));
    }

    /// The files that have one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, name)| name.as_str())
    }

    /// Reads such a file. The error is what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| "is damaged: it is no text".to_owned())?;
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let parsed = line.split_once("  ").and_then(|(hash, name)| {
                Some((blake3::Hash::from_hex(hash).ok()?, name.to_owned()))
            });
            let expected = || format!("is damaged: line {} is no checksum of a file", index + 1);
            found.push(parsed.ok_or_else(expected)?);
        }
        let found = Self(found);
        // Such as digits in capitals: nothing we wrote.
        if found.to_string() != text {
            return Err("is damaged: it is not as it was written".to_owned());
        }
        Ok(found)
    }

    /// Compares a file with its checksum. The error is what is wrong with the file.
    pub(super) fn check(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        match self.0.iter().find(|(_, found)| found == name) {
            Some((hash, _)) if *hash == blake3::hash(bytes) => Ok(()),
            Some(_) => Err(format!(
                "is damaged: it does not match its checksum in `{SUMS}`"
            )),
            None => Err(format!("has no checksum in `{SUMS}`, which is damaged")),
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut lines = self.0.iter();
        lines.try_for_each(|(hash, name)| writeln!(f, "{hash}  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_b3sum_and_read_back() {
        let mut sums = Sums::default();
        sums.add("state.json", b"");
        // The BLAKE3 of nothing, from the reference's test vectors.
        let line = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262  state.json\n";
        assert_eq!(sums.to_string(), line);
        assert_eq!(Sums::parse(line.as_bytes()), Ok(sums));
    }

    #[test]
    fn what_is_damaged_is_named() {
        let mut sums = Sums::default();
        sums.add("a", b"1");
        assert_eq!(sums.check("a", b"1"), Ok(()));
        assert!(
            sums.check("a", b"2")
                .unwrap_err()
                .contains("does not match")
        );
        assert!(sums.check("b", b"1").unwrap_err().contains("no checksum"));
        let capitals = sums.to_string().replace('a', "A");
        let cut = sums.to_string().replace('\n', "");
        for bad in [
            &b"\xff"[..],
            b"short  a\n",
            b"\n",
            capitals.as_bytes(),
            cut.as_bytes(),
        ] {
            assert!(Sums::parse(bad).unwrap_err().contains("damaged"), "{bad:?}");
        }
    }
}
