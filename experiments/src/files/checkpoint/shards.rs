//! Adam's moments of a run that several ranks train: every rank writes those of the parameters that it updates, all of them
//! at the same time.
//!
//! ```text
//! optimizer-00001-of-00004.safetensors    of rank 0
//! ```
//!
//! A rank on a machine that does not see the run directory cannot; rank 0 then brings all moments together and writes them as
//! a run of one process does.

use super::file::{encode, problem};
use super::folder::{Keep, write_file};
use super::sums::{SUMS, Sums};
use super::{EXP_AVG, MOMENTS};
use crate::error::TrainError;
use crate::optimizer::adamw::AdamW;
use crate::parameters::Parameter;
use crate::ranks::{Order, Ranks, Share, Spread};
use logs::LogError;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One of the files that hold together what one process writes as [`MOMENTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    /// From 1.
    number: usize,
    of: usize,
}

impl Shard {
    fn name(self) -> String {
        let Self { number, of } = self;
        format!("optimizer-{number:05}-of-{of:05}.safetensors")
    }

    fn of_rank(ranks: &Ranks) -> Self {
        Self {
            number: ranks.rank() + 1,
            of: ranks.count(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (number, of) = name
            .strip_prefix("optimizer-")?
            .strip_suffix(".safetensors")?
            .split_once("-of-")?;
        let shard = Self {
            number: number.parse().ok()?,
            of: of.parse().ok()?,
        };
        (shard.name() == name).then_some(shard)
    }
}

/// The files of the moments in `folder`, of which `sums` tells.
pub(super) fn files(folder: &Path, sums: Option<&Sums>) -> Result<Vec<String>, TrainError> {
    let names = sums.into_iter().flat_map(Sums::names);
    let found: Vec<Shard> = names.filter_map(Shard::parse).collect();
    let Some(Shard { of, .. }) = found.first() else {
        return Ok(vec![MOMENTS.to_owned()]);
    };
    let all: Vec<Shard> = (1..=*of).map(|number| Shard { number, of: *of }).collect();
    match all.iter().find(|shard| !found.contains(shard)) {
        Some(missing) => {
            let text = format!("is damaged: it lacks `{}`", missing.name());
            Err(problem(&folder.join(SUMS), text))
        }
        None => Ok(all.into_iter().map(Shard::name).collect()),
    }
}

/// What a rank says of its file.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// It is written.
    Written { len: u64, blake3: [u8; 32] },
    /// The folder is not there.
    NoFolder,
    /// The system refused it.
    Refused { code: Option<i32>, text: String },
}

impl Told {
    fn refused(error: &io::Error) -> Self {
        Self::Refused {
            code: error.raw_os_error(),
            text: error.to_string(),
        }
    }
}

/// Writes the own share of both moments.
fn put(spread: [&Spread; 2], table: &[Parameter], folder: &Path, keep: Keep) -> Told {
    let ranks = &spread[0].ranks;
    if !folder.is_dir() {
        return Told::NoFolder;
    }
    let file = folder.join(Shard::of_rank(ranks).name());
    let table = spread[0].shares.table(table, ranks.rank());
    let moments = [0, 1].map(|moment| (EXP_AVG[moment], &spread[moment].own[..]));
    let bytes = match encode(&file, &table, &moments) {
        Ok(bytes) => bytes,
        Err(error) => return Told::refused(&io::Error::other(error.to_string())),
    };
    match write_file(&file, &bytes, keep) {
        Ok(()) => Told::Written {
            len: bytes.len() as u64,
            blake3: blake3::hash(&bytes).into(),
        },
        Err(error) => Told::refused(&error),
    }
}

fn spread(adam: &AdamW) -> Option<[&Spread; 2]> {
    let [first, second] = [&adam.first, &adam.second].map(|moment| moment.copy_elsewhere());
    Some([first?, second?])
}

/// On another rank than 0: writes its share where rank 0 says, and tells it.
pub(crate) fn write_share(
    adam: &AdamW,
    table: &[Parameter],
    ranks: &Ranks,
    share: &Share,
) -> Result<(), TrainError> {
    let told = match spread(adam) {
        Some(spread) => put(spread, table, Path::new(&share.folder), share.keep),
        None => Told::refused(&io::Error::other("this rank has no share")),
    };
    ranks.collect(&serde_json::to_vec(&told).unwrap_or_default())?;
    Ok(())
}

/// On rank 0: the shares that all ranks write into a folder.
pub(super) struct Shards<'a> {
    spread: [&'a Spread; 2],
    folder: PathBuf,
    keep: Keep,
}

impl<'a> Shards<'a> {
    /// Has the other ranks begin; none where one process has the moments. Whoever calls it has to [`finish`](Self::finish).
    pub(super) fn begin(adam: &'a AdamW, folder: &Path, keep: Keep) -> Option<Self> {
        let spread = spread(adam)?;
        // Where they were started somewhere else a relative path would lead there.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        spread[0].ranks.order(&Order::Write(Share {
            folder: folder.clone().into_os_string(),
            keep,
        }));
        Some(Self {
            spread,
            folder,
            keep,
        })
    }

    /// Writes the share of rank 0 and waits for the others. Takes all files into the checksums; or none and returns false
    /// where a rank does not see the folder.
    pub(super) fn finish(self, table: &[Parameter], sums: &mut Sums) -> Result<bool, TrainError> {
        let ranks = &self.spread[0].ranks;
        let own = put(self.spread, table, &self.folder, self.keep);
        let told = ranks.collect(&serde_json::to_vec(&own).unwrap_or_default())?;
        let of = told.len();
        let names = (1..=of).map(|number| Shard { number, of }.name());
        let mut all = Vec::with_capacity(of);
        for (told, name) in told.iter().zip(names) {
            let file = self.folder.join(&name);
            let told = serde_json::from_slice(told)
                .unwrap_or_else(|error| Told::refused(&io::Error::other(error)));
            match told {
                // A folder of the same name on another machine is another folder.
                Told::Written { len, blake3 }
                    if fs::metadata(&file).is_ok_and(|found| found.len() == len) =>
                {
                    all.push((blake3.into(), name));
                }
                Told::Written { .. } | Told::NoFolder => return self.remove().map(|()| false),
                Told::Refused { code, text } => {
                    let error =
                        code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error);
                    return Err(LogError::io("write", &file, error).into());
                }
            }
        }
        for (hash, name) in all {
            sums.add_hash(&name, hash);
        }
        Ok(true)
    }

    /// Removes the files of those who could write.
    fn remove(&self) -> Result<(), TrainError> {
        let of = self.spread[0].ranks.count();
        for number in 1..=of {
            let file = self.folder.join(Shard { number, of }.name());
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LogError::io("remove", &file, error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_ranks_and_of_nothing_else() {
        let shard = Shard { number: 3, of: 16 };
        assert_eq!(shard.name(), "optimizer-00003-of-00016.safetensors");
        assert_eq!(Shard::parse(&shard.name()), Some(shard));
        for name in [
            MOMENTS,
            "optimizer-3-of-16.safetensors",
            "weights-00003-of-00016.safetensors",
        ] {
            assert_eq!(Shard::parse(name), None, "{name}");
        }
    }

    /// A line that is gone from the checksums takes no moments with it in silence.
    #[test]
    fn a_set_of_which_one_is_missing_is_named() {
        let folder = Path::new("step-00000001");
        let mut sums = Sums::default();
        assert_eq!(files(folder, None).unwrap(), [MOMENTS]);
        assert_eq!(files(folder, Some(&sums)).unwrap(), [MOMENTS]);
        for number in [1, 3] {
            sums.add(&Shard { number, of: 3 }.name(), b"");
        }
        let error = files(folder, Some(&sums)).unwrap_err().to_string();
        assert!(
            error.contains("B3SUMS") && error.contains("optimizer-00002-of-00003"),
            "{error}"
        );
        sums.add(&Shard { number: 2, of: 3 }.name(), b"");
        let names = files(folder, Some(&sums)).unwrap();
        assert_eq!(names.len(), 3);
        assert!(names.is_sorted());
    }
}
