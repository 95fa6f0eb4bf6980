//! Writing whole files: of a run directory, and by way of [`crate::output`] those a command is told to write; and
//! reading the texts that a user names ([`read_text`]).
//!
//! A regular file is replaced, so that a reader, or a crash, sees the old one or the new one, never a half.
//! A symbolic link is followed and stays. What is no regular file (a pipe, a device, an open descriptor of
//! `/dev/fd`) is written in place: replacing it would destroy it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::error::LogError;

/// How the names of damaged files begin that were set aside.
pub const ASIDE: &str = "damaged-";

/// How temporary names begin.
pub const TEMPORARY: &str = ".tmp-";

/// Most bytes of a text that a user wrote: a card, a list, a file of names.
const MOST_TEXT: u64 = 16 << 20;

/// Links that are followed before a chain of them counts as a loop, as in Linux.
const MOST_LINKS: usize = 40;

/// Reads a text that a user wrote, or a command that is read by an open descriptor, as in `<(COMMAND)` or
/// `/dev/stdin`. What no text file can be is refused at once and by what it is: a folder, a pipe with a name (nobody
/// may ever write it), a device (it may never end), more than 16 MiB, bytes that are not UTF-8.
/// [`is_bad_input`] tells these errors from those of the machine.
pub fn read_text(path: &Path) -> io::Result<String> {
    // Looked at first: opening a pipe would wait for somebody to write it.
    let found = fs::metadata(path)?;
    if !found.is_file() && !is_open_pipe(path, &found) {
        let what = if found.is_dir() {
            "a folder"
        } else {
            "a device, a pipe or a socket"
        };
        let text = format!("it is {what}; expected a text file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile, and files of `/proc` say that they are empty.
    File::open(path)?
        .take(MOST_TEXT + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_TEXT {
        let most = MOST_TEXT >> 20;
        let text = format!("it holds more than {most} MiB; expected a text that somebody wrote");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    text(bytes)
}

/// The text that bytes are; the error names the line that is none.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        let text = format!("line {line} is not UTF-8; expected a text file in UTF-8");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Whether the path names a pipe by an open descriptor: then somebody writes it, or has written it.
#[cfg(unix)]
fn is_open_pipe(path: &Path, found: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    found.file_type().is_fifo() && end_of_links(path).is_ok_and(|path| is_descriptor(&path))
}

#[cfg(not(unix))]
fn is_open_pipe(_path: &Path, _found: &fs::Metadata) -> bool {
    false
}

/// The folder to which the paths in a text of the user's are relative: that of its file, and of one that is read
/// by an open descriptor, the folder of the command.
#[must_use]
pub fn folder_of_text(path: &Path) -> &Path {
    if end_of_links(path).is_ok_and(|path| is_descriptor(&path)) {
        return Path::new(".");
    }
    path.parent().unwrap_or(Path::new(""))
}

/// Whether a path that a user gave names something to be read, so not a name: anything but a folder or nothing.
#[must_use]
pub fn is_there_to_read(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_dir())
}

/// Opens a file of a run for reading. A pipe or a device in its place is refused: opening the one may wait for ever,
/// and the other may have no end.
pub fn open(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if !found.is_file() && !found.is_dir() {
        let text = "it is a device, a pipe or a socket; expected a file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    File::open(path)
}

/// Whether a file could not be read for what it is or how it is named, which another try does not change: it is not
/// there, a folder, a loop of links, no text, too large.
#[must_use]
pub fn is_bad_input(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let wrong_name = [Errno::LOOP, Errno::NAMETOOLONG];
    is_absent(error)
        || matches!(
            error.kind(),
            io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData
                | io::ErrorKind::FileTooLarge
        )
        || Errno::from_io_error(error).is_some_and(|error| wrong_name.contains(&error))
}

/// Writes `value` as indented JSON; see [`replace`].
pub fn write_json_atomic(path: &Path, value: &impl Serialize) -> Result<(), LogError> {
    write_atomic(path, &pretty_json(path, value)?)
}

/// `value` as the indented JSON of a file at `path`.
pub(crate) fn pretty_json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, LogError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| LogError::Encode {
        path: path.to_owned(),
        source,
    })?;
    bytes.push(b'\n');
    Ok(bytes)
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
    match destination(path)? {
        Destination::Replaced(path) => atomically(&path, fill),
        Destination::Written(path) => in_place(&path, fill),
    }
}

/// Whether the path leads to something that [`replace`] writes in place, beside which no other file belongs.
/// A folder is none.
#[must_use]
pub fn is_stream(path: &Path) -> bool {
    matches!(destination(path), Ok(Destination::Written(path)) if !path.is_dir())
}

/// How a path is written, and where its links lead.
enum Destination {
    /// By a new file in the place of the one here.
    Replaced(PathBuf),
    /// As it is.
    Written(PathBuf),
}

fn destination(path: &Path) -> io::Result<Destination> {
    let path = end_of_links(path)?;
    if is_descriptor(&path) {
        return Ok(Destination::Written(path));
    }
    match fs::metadata(&path) {
        Ok(found) if !found.is_file() => Ok(Destination::Written(path)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // A file, or nothing yet.
        Ok(_) | Err(_) => Ok(Destination::Replaced(path)),
    }
}

pub(crate) fn end_of_links(path: &Path) -> io::Result<PathBuf> {
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
pub(crate) fn folder(path: &Path) -> &Path {
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
    let mut temporary = beside(path)?;
    fill(temporary.as_file_mut())?;
    if let Ok(old) = fs::metadata(path) {
        // Some file systems have none.
        let _ = temporary.as_file().set_permissions(old.permissions());
    }
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_directory(folder(path))
}

/// Lets `fill` write the file at `path`, which others see whole or not at all, but which may be lost with the machine: for what can
/// be made again.
pub(crate) fn replace_unsynced(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = beside(path)?;
    fill(temporary.as_file_mut())?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A file under a temporary name beside another.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile<File>> {
    let folder = folder(path);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(TEMPORARY);
    // Opened as any other file, for colleagues read each other's runs; and so that an error is the system's
    // own, without the temporary name.
    let open = |path: &Path| File::options().write(true).create_new(true).open(path);
    let temporary = builder.make_in(folder, open);
    temporary.map_err(|error| without_folder(error, folder))
}

/// Names the folder that a file cannot be made in because it is not there.
fn without_folder(error: io::Error, folder: &Path) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound && !folder.exists() {
        let text = format!("there is no folder `{}`", folder.display());
        return io::Error::new(io::ErrorKind::NotFound, text);
    }
    error
}

/// Makes renames and removals in `dir` last. They hold where a directory cannot be synced.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    synced(&File::open(dir)?)
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

/// Renames a damaged file or directory to `damaged-NAME` beside it, where it is kept but not found by
/// its name. Returns the new path.
pub fn set_aside(path: &Path) -> Result<PathBuf, LogError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut kept = dir.join(format!("{ASIDE}{name}"));
    let mut number = 2;
    while kept.symlink_metadata().is_ok() {
        kept = dir.join(format!("{ASIDE}{name}-{number}"));
        number += 1;
    }
    let renamed = fs::rename(path, &kept).and_then(|()| sync_directory(dir));
    renamed.map_err(|error| LogError::io("rename", path, error))?;
    Ok(kept)
}

/// Removes what a killed process left in `dir` under a temporary name, files and directories. Only
/// for who holds the right to write there. What cannot be removed stays: it does no harm.
pub fn sweep_temporaries(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = entry.path();
        let _ = if is_dir {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
    }
}

pub(crate) fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// A file or directory as it was found, to notice that its path has come to name another.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    identity: (u64, u64),
}

impl Place {
    /// What `path` names now.
    pub fn of(path: &Path) -> Result<Self, LogError> {
        let found = fs::metadata(path).map_err(|error| LogError::io("open", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&found),
        })
    }

    /// Fails with [`LogError::Gone`] where the path names nothing, or something else, by now.
    pub fn check(&self) -> Result<(), LogError> {
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == self.identity => Ok(()),
            Err(error) if !is_absent(&error) => Err(LogError::io("look at", &self.path, error)),
            Ok(_) | Err(_) => Err(LogError::Gone {
                path: self.path.clone(),
            }),
        }
    }
}

/// What of a file changes when it is written or replaced: length, time and identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64, SystemTime, (u64, u64));

impl Stamp {
    /// That of the file as it is; none where it is not there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self(found.len(), found.modified().ok()?, identity(&found)))
    }
}

fn is_absent(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory
}

/// Device and number on it.
#[cfg(unix)]
pub(crate) fn identity(found: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

/// Elsewhere every file is taken for the one it was.
#[cfg(not(unix))]
pub(crate) fn identity(_found: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests;
