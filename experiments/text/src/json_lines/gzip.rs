//! Files of one or more gzip members.

use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// The unpacked bytes of all members. Zeros after a member are passed over as `gzip` does: tapes and
/// some file systems fill the last block with them.
pub(super) struct Gzip {
    /// `None` after the last member.
    member: Option<GzDecoder<BufReader<File>>>,
}

impl Gzip {
    pub(super) fn new(file: File) -> Self {
        Self {
            member: Some(GzDecoder::new(BufReader::new(file))),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let length = member.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            self.member = rest.map(next).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The member after the one that `rest` follows.
fn next(mut rest: BufReader<File>) -> io::Result<Option<GzDecoder<BufReader<File>>>> {
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == bytes.len();
        rest.consume(zeros);
        if !all {
            return Ok(Some(GzDecoder::new(rest)));
        }
    }
}
