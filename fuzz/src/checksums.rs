//! Inputs with the checksums that their formats ask for.

/// Bytes of `,"crc":"` 8 digits `"}`, which end a line of a run's files.
const SEAL: usize = 18;

/// Every line sealed as those of `metrics.jsonl` and `events.jsonl` are; a line that has a seal gets it anew.
#[must_use]
pub fn of_lines(text: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(text.len() + SEAL);
    for line in text.split(|byte| *byte == b'\n') {
        let body = match line.len().checked_sub(SEAL) {
            Some(end) if line[end..].starts_with(b",\"crc\":\"") => &line[..end],
            _ => line.strip_suffix(b"}").unwrap_or(line),
        };
        sealed.extend(body);
        sealed.extend(format!(",\"crc\":\"{:08x}\"}}\n", crc32fast::hash(body)).into_bytes());
    }
    sealed
}

/// An event file of TensorBoard: `length: u64`, its checksum, payload, its checksum. A length beyond the file
/// becomes what is left of it.
#[must_use]
pub fn of_event_file(bytes: &[u8]) -> Vec<u8> {
    let (mut mended, mut at) = (bytes.to_vec(), 0);
    while let Some(room) = (mended.len() - at).checked_sub(16) {
        let stated = u64::from_le_bytes(mended[at..at + 8].try_into().unwrap());
        let length = usize::try_from(stated).map_or(room, |stated| stated.min(room));
        mended[at..at + 8].copy_from_slice(&(length as u64).to_le_bytes());
        let payload = at + 12;
        let crc = masked(&mended[at..at + 8]);
        mended[at + 8..payload].copy_from_slice(&crc);
        let end = payload + length;
        let crc = masked(&mended[payload..end]);
        mended[end..end + 4].copy_from_slice(&crc);
        at = end + 4;
    }
    mended
}

fn masked(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32c::crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// A `.wandb` file: a header of seven bytes, then blocks of 32 KiB of `crc: u32`, `length: u16`, `kind: u8`, data.
/// A length beyond the block becomes what is left of it.
#[must_use]
pub fn of_wandb(bytes: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 32 * 1024;
    let mut mended = bytes.to_vec();
    let header = b":W&B\xe1\xbe\0";
    let known = header.len().min(mended.len());
    mended[..known].copy_from_slice(&header[..known]);
    let mut at = known;
    while at < mended.len() {
        let block = (BLOCK - at % BLOCK).min(mended.len() - at);
        let Some(room) = block.checked_sub(7) else {
            at += block;
            continue;
        };
        let stated = u16::from_le_bytes([mended[at + 4], mended[at + 5]]);
        let length = usize::from(stated).min(room);
        mended[at + 4..at + 6].copy_from_slice(&(length as u16).to_le_bytes());
        let crc = crc32fast::hash(&mended[at + 6..at + 7 + length]);
        mended[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        at += 7 + length;
    }
    mended
}
