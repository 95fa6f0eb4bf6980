//! Reading the files that an entry names out of a package.

use super::package::run;
use crate::TextError;
use crate::catalogue::Entry;
use flate2::read::{GzDecoder, MultiGzDecoder};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

/// Path inside the package and content of every wanted file, sorted by path. A `.gz` inside is
/// decompressed. `scratch` is a folder that may be written to.
pub(super) fn read(
    entry: &Entry,
    package: &Path,
    scratch: &Path,
) -> Result<Vec<(String, Vec<u8>)>, TextError> {
    let refuse = |message: String| TextError::Package {
        name: entry.name.clone(),
        message,
    };
    let extension = package.extension().and_then(|e| e.to_str());
    let read = match extension {
        Some("whl" | "zip") => read_zip(entry, package).map_err(|e| e.to_string()),
        Some("tgz" | "gz") => read_tar(entry, package).map_err(|e| e.to_string()),
        Some("deb") => read_deb(entry, package, scratch),
        _ => Err("it is neither a wheel nor a .tgz nor a .deb".to_owned()),
    };
    let mut files = read.map_err(refuse)?;
    if files.is_empty() {
        return Err(refuse(format!(
            "it holds no `{}`",
            entry.files.join("` or `")
        )));
    }
    for (path, bytes) in &mut files {
        if Path::new(path).extension().is_some_and(|e| e == "gz") {
            let mut plain = Vec::new();
            MultiGzDecoder::new(&bytes[..])
                .read_to_end(&mut plain)
                .map_err(|error| refuse(format!("`{path}`: {error}")))?;
            *bytes = plain;
        }
    }
    files.sort();
    Ok(files)
}

fn wanted(entry: &Entry, path: &str) -> bool {
    entry.files.iter().any(|pattern| matches(pattern, path))
}

/// Whether `path` fits `pattern`, in which `*` stands for any characters, also none and `/`.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, rest)) => path.strip_prefix(head).is_some_and(|tail| {
            (tail.char_indices().map(|(at, _)| at))
                .chain([tail.len()])
                .any(|at| matches(rest, &tail[at..]))
        }),
    }
}

fn read_zip(entry: &Entry, package: &Path) -> zip::result::ZipResult<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(File::open(package)?)?;
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let name = member.name()?.into_owned();
        if member.is_file() && wanted(entry, &name) {
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes)?;
            files.push((name, bytes));
        }
    }
    Ok(files)
}

fn read_tar(entry: &Entry, package: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(package)?));
    let mut files = Vec::new();
    for member in archive.entries()? {
        let mut member = member?;
        let name = member.path()?.to_string_lossy().into_owned();
        if member.header().entry_type().is_file() && wanted(entry, &name) {
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes)?;
            files.push((name, bytes));
        }
    }
    Ok(files)
}

/// A `.deb` is unpacked by `dpkg-deb`, which is there wherever `apt-get` is.
fn read_deb(
    entry: &Entry,
    package: &Path,
    scratch: &Path,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let root = scratch.join("unpacked");
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&root)).map_err(|e| e.to_string())?;
    let mut files = Vec::new();
    walk(&root, "", &mut |path, name| {
        if wanted(entry, name) {
            files.push((name.to_owned(), fs::read(path)?));
        }
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    Ok(files)
}

/// Calls `visit` with the path and the name relative to the start of every regular file, in
/// order of names. Links are not followed.
pub(super) fn walk(
    folder: &Path,
    name: &str,
    visit: &mut dyn FnMut(&Path, &str) -> io::Result<()>,
) -> io::Result<()> {
    let mut items = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    items.sort_by_key(fs::DirEntry::file_name);
    for item in items {
        let file_name = item.file_name();
        let file_name = file_name.to_string_lossy();
        let name = if name.is_empty() {
            file_name.into_owned()
        } else {
            format!("{name}/{file_name}")
        };
        let kind = item.file_type()?;
        if kind.is_dir() {
            walk(&item.path(), &name, visit)?;
        } else if kind.is_file() {
            visit(&item.path(), &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
