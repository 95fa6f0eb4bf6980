//! Stamps the commit into the program; a build outside a repository has none.

use std::path::Path;
use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        // `git status` would refresh the index, which is watched below.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .args(arguments)
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    // Watching a file that does not exist would rebuild every time.
    for file in ["../.git/HEAD", "../.git/index"] {
        if Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        println!("cargo:rustc-env=WORKBENCH_COMMIT={commit}");
        if let Some(changes) = git(&["status", "--porcelain", "--untracked-files=no"]) {
            println!("cargo:rustc-env=WORKBENCH_DIRTY={}", !changes.is_empty());
        }
    }
}
