//! Directories with their files, and chance that damages them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Trials that `WORKBENCH_DAMAGE` asks for, else `otherwise`.
pub fn trials(otherwise: u64) -> u64 {
    std::env::var("WORKBENCH_DAMAGE").map_or(otherwise, |n| n.parse().unwrap())
}

/// The files of a directory by path.
pub type Tree = BTreeMap<PathBuf, Vec<u8>>;

pub fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Writes them under `root`, and nothing else.
pub fn plant(tree: &Tree, root: &Path) {
    let _ = std::fs::remove_dir_all(root);
    for (name, bytes) in tree {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Random numbers with a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    /// Flips a bit, cuts the end off, or overwrites a few bytes; says which.
    pub fn hurt(&mut self, bytes: &mut Vec<u8>) -> String {
        let at = self.below(bytes.len());
        match self.below(3) {
            0 => {
                let bit = self.below(8);
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} flipped")
            }
            1 => {
                bytes.truncate(at);
                format!("cut to {at} bytes")
            }
            _ => {
                let end = bytes.len().min(at + 16);
                let fill = self.below(256) as u8;
                bytes[at..end].iter_mut().for_each(|byte| *byte ^= fill);
                format!("bytes {at} to {end} changed")
            }
        }
    }
}
