//! Writing whole files: of a run directory, and those a command is told to write.
//!
//! A regular file is replaced, so that a reader, or a crash, sees the old one or the new one, never a half.
//! A symbolic link is followed and stays. What is no regular file (a pipe, a device, an open descriptor of
//! `/dev/fd`) is written in place: replacing it would destroy it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::LogError;

/// Links that are followed before a chain of them counts as a loop, as in Linux.
const MOST_LINKS: usize = 40;

/// Writes `value` as indented JSON; see [`replace`].
pub fn write_json_atomic(path: &Path, value: &impl Serialize) -> Result<(), LogError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| LogError::Encode {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

/// Writes `bytes`; see [`replace`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    replace(path, |file| file.write_all(bytes)).map_err(|error| LogError::io("write", path, error))
}

/// Lets `fill` write the file at `path`.
///
/// A regular file, or one that is not there yet, gets its content under a temporary name beside it, is
/// synced and renamed when all went well, and keeps its permissions. Of a link this is done to the file
/// it leads to. Anything else is opened and written.
pub fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    match place(path)? {
        Place::Replaced(path) => atomically(&path, fill),
        Place::Written(path) => in_place(&path, fill),
    }
}

/// Whether the path leads to something that [`replace`] writes in place, beside which no other file belongs.
#[must_use]
pub fn is_stream(path: &Path) -> bool {
    matches!(place(path), Ok(Place::Written(_)))
}

/// How a path is written, and where its links lead.
enum Place {
    /// By a new file in the place of the one here.
    Replaced(PathBuf),
    /// As it is.
    Written(PathBuf),
}

fn place(path: &Path) -> io::Result<Place> {
    let path = end_of_links(path)?;
    if is_descriptor(&path) {
        return Ok(Place::Written(path));
    }
    match fs::metadata(&path) {
        Ok(found) if !found.is_file() => Ok(Place::Written(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // A file, or nothing yet.
        Ok(_) | Err(_) => Ok(Place::Replaced(path)),
    }
}

fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) if !is_descriptor(&path) => path = folder(&path).join(target),
            // It is no link, or one that only the kernel can follow.
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// Whether the path names an open descriptor of a process (`/dev/stdout` and `/dev/fd/3` lead there), or
/// something else of `/proc`: a file that is not on a disk, or is open elsewhere and must stay the one that
/// is.
fn is_descriptor(path: &Path) -> bool {
    fs::canonicalize(folder(path)).is_ok_and(|folder| folder.starts_with("/proc"))
}

/// The folder a path lies in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Appends, so that what is there already stays.
fn in_place(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = match own_descriptor(path) {
        Some(file) => file,
        None => File::options().append(true).open(path)?,
    };
    fill(&mut file)?;
    synced(&file)
}

/// A copy of the descriptor of this process that the path names. It shares its position with the original,
/// so that both can be written in turn; a file opened anew would not, and a socket cannot be.
#[cfg(target_os = "linux")]
fn own_descriptor(path: &Path) -> Option<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let folder = fs::canonicalize(folder(path)).ok()?;
    let own = format!("/proc/{}/fd", getpid().as_raw_nonzero());
    let number = path.file_name()?.to_str()?.parse().ok()?;
    if folder != Path::new(&own) {
        return None;
    }
    let process = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let copy = pidfd_getfd(process, number, PidfdGetfdFlags::empty());
    copy.ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn own_descriptor(_path: &Path) -> Option<File> {
    None
}

fn atomically(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = folder(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        // As any other file, less the umask: colleagues read each other's runs.
        builder.permissions(fs::Permissions::from_mode(0o666))
    };
    let mut temporary = builder.tempfile_in(folder)?;
    fill(temporary.as_file_mut())?;
    if let Ok(old) = fs::metadata(path) {
        // Some file systems have none.
        let _ = temporary.as_file().set_permissions(old.permissions());
    }
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself holds where a directory cannot be synced.
    synced(&File::open(folder)?)
}

/// Syncs what can be: pipes, terminals and the directories of some network file systems cannot.
fn synced(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
                    | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
