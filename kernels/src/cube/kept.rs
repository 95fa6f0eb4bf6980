//! Compiled kernels kept from one process to the next: compiling those of a step takes NVRTC 15 to 40 seconds.
//!
//! The backend knows a kernel by its name and arguments, not by what it does, nor for which card it was compiled: each program,
//! card and driver has a folder of its own.

use crate::gpu::Gpu;
use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// Where the folders lie; nothing is kept without.
static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// Held while the process lives: the backend's file takes no second writer.
static HELD: Mutex<Option<File>> = Mutex::new(None);

/// More than a run's kernels. Where there is not so much room nothing is kept: the backend would end the run over it.
const ROOM: usize = 32 << 20;

/// Folders unused for so long are of programs that are gone.
const UNUSED: Duration = Duration::from_hours(30 * 24);

/// Keeps what is compiled for CUDA below a folder, for processes to come. To be called before a device is opened.
pub fn keep_kernels(root: PathBuf) {
    ROOT.get_or_init(|| root);
}

/// Tells the backend, once, before it opens a device; not where launches are counted, which has told it more.
pub(super) fn tell_backend(gpu: &Gpu) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        if super::launches::counted() {
            return;
        }
        let mut config = CubeClRuntimeConfig::default().override_from_env();
        // Without a folder kernels are compiled again, which takes time and nothing else.
        let folder = ROOT.get().and_then(|root| folder(root, gpu).ok());
        config.compilation.cache = folder.map(CacheConfig::File);
        CubeClRuntimeConfig::set(config);
    });
}

/// The folder for this program and card, ready to be written by this process alone.
fn folder(root: &Path, gpu: &Gpu) -> io::Result<PathBuf> {
    let mut hash = blake3::Hasher::new();
    hash.update_reader(File::open(std::env::current_exe()?)?)?;
    hash.update(format!("{}\n{}", gpu.name, gpu.driver).as_bytes());
    let folder = root.join(&hash.finalize().to_hex()[..16]);
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.try_lock()?;
    lock.set_times(FileTimes::new().set_modified(SystemTime::now()))?;
    probe(&folder)?;
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    *held = Some(lock);
    // What cannot be deleted is left there.
    let _ = delete_unused(root);
    Ok(folder)
}

/// Whether there is room.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join("room");
    let written = File::create(&path).and_then(|mut file| file.write_all(&vec![1; ROOM]));
    fs::remove_file(&path)?;
    written
}

fn delete_unused(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let folder = entry?.path();
        let Ok(used) = fs::metadata(folder.join("lock")).and_then(|lock| lock.modified()) else {
            continue;
        };
        if used.elapsed().is_ok_and(|time| time > UNUSED) {
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(name: &str) -> Gpu {
        Gpu {
            name: name.to_owned(),
            driver: "CUDA 13.0".to_owned(),
            memory: 1 << 30,
        }
    }

    #[test]
    fn a_card_has_a_folder_of_its_own_and_one_writer() {
        let root = tempfile::tempdir().unwrap();
        let first = folder(root.path(), &gpu("A100")).unwrap();
        assert!(!first.join("room").exists());
        // This process holds it.
        assert!(folder(root.path(), &gpu("A100")).is_err());
        let second = folder(root.path(), &gpu("H100")).unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn folders_of_programs_that_are_gone_are_deleted() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join("old");
        let other = root.path().join("not ours");
        fs::create_dir_all(&other).unwrap();
        fs::create_dir_all(&old).unwrap();
        let lock = File::create(old.join("lock")).unwrap();
        let long_ago = SystemTime::now() - UNUSED - Duration::from_secs(9);
        lock.set_times(FileTimes::new().set_modified(long_ago))
            .unwrap();
        delete_unused(root.path()).unwrap();
        assert!(!old.exists() && other.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_keeps_nothing() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(folder(&file, &gpu("A100")).is_err());
    }
}
