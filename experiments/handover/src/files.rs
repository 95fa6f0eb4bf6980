//! The files of a hand-over, and writing them.

use crate::HandoverError;
use crate::{
    ArgumentTable, Effect, Handover, Limit, Request, Section, Target, argument, checkpoint, data,
    deepspeed, limit, monitor, readme, slurm,
};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// A text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Relative to the hand-over's folder.
    pub path: String,
    /// Contents.
    pub text: String,
    /// Whether it is a program.
    pub executable: bool,
}

pub(crate) fn all(
    request: &Request,
    target: Target,
    table: &ArgumentTable,
    sections: &[Section],
    limits: &[Limit],
) -> Result<Vec<File>, HandoverError> {
    let file = |path: &str, text: String| File {
        path: path.to_owned(),
        text,
        executable: false,
    };
    let program = |path: &str, text: String| File {
        executable: true,
        ..file(path, text)
    };
    let mut files = vec![
        file(
            "README.md",
            readme::markdown(request, target, table, sections, limits),
        ),
        program("launch.sh", slurm::script(request, target, limits)),
        file("arguments.txt", argument::render(sections)),
    ];
    if target == Target::MegatronDeepspeed {
        files.push(file("deepspeed.json", deepspeed::json(request)?));
    }
    files.extend([
        file("data.md", data::markdown(request, target)),
        file("checkpoint.md", checkpoint::markdown(request, target)),
        file("unsupported.md", limit::markdown(limits, &table.trainer)),
        file("config.toml", request.config.to_toml()),
        file(monitor::NAMES, monitor::names(target)),
    ]);
    Ok(files)
}

impl Handover {
    /// Writes the files into `folder`, which is made where needed. Files of an earlier hand-over are
    /// replaced; a folder that holds anything else than one is refused.
    pub fn write(&self, folder: &Path) -> Result<(), HandoverError> {
        let failed = |action, path: &Path, source| HandoverError::Io {
            action,
            path: path.to_owned(),
            source,
        };
        if folder.is_dir() && !folder.join("arguments.txt").exists() {
            let mut entries =
                std::fs::read_dir(folder).map_err(|error| failed("read", folder, error))?;
            if entries.next().is_some() {
                return Err(HandoverError::Value {
                    key: "folder".to_owned(),
                    value: format!("`{}`", folder.display()),
                    expected: "it holds other files; expected an empty or new folder, or an earlier hand-over"
                        .to_owned(),
                });
            }
        }
        for file in &self.files {
            let path = folder.join(&file.path);
            let parent = path.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
            std::fs::write(&path, &file.text).map_err(|error| failed("write", &path, error))?;
            if file.executable {
                make_executable(&path).map_err(|error| failed("make executable", &path, error))?;
            }
        }
        Ok(())
    }

    /// What was made, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let count: usize = self
            .arguments
            .iter()
            .map(|section| section.arguments.len())
            .sum();
        let mut text = format!(
            "{}: {count} arguments, all in the table of\n{}\n\n",
            self.target, self.checked_against
        );
        for section in &self.arguments {
            let _ = writeln!(
                text,
                "  {:<34}{:>3}",
                section.title,
                section.arguments.len()
            );
        }
        for (effect, title) in [
            (
                Effect::Training,
                "would train something else (unsupported.md)",
            ),
            (Effect::Operation, "same training, other handling"),
        ] {
            let limits: Vec<_> = self.limits.iter().filter(|l| l.effect == effect).collect();
            if limits.is_empty() {
                continue;
            }
            let _ = writeln!(text, "\n{title}: {}", limits.len());
            for limit in limits {
                let _ = writeln!(text, "  {:<34}{}", limit.key, words::cut(&limit.wanted, 72));
            }
        }
        text
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
