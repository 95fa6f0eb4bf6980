//! Pages of every kind in a real browser: `tests/check_report.mjs` of the repository uses them as a reader does.
#![expect(clippy::unwrap_used, reason = "a test may panic and print")]

#[path = "report/branches.rs"]
mod branches;
#[path = "report/pages.rs"]
mod pages;
#[path = "report/synthetic.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod synthetic;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Node's packages that drive the browser and look for obstacles to readers with disabilities.
const PACKAGES: [&str; 2] = ["puppeteer-core@24.43.1", "axe-core@4.14.1"];

/// Where the first of these programs is.
fn program(names: &[String]) -> Option<String> {
    let place = |name: &String| {
        let mut shell = Command::new("sh");
        let found = shell
            .args(["-c", "command -v \"$0\"", name])
            .output()
            .ok()?;
        let place = String::from_utf8(found.stdout).ok()?.trim().to_owned();
        (found.status.success() && !place.is_empty()).then_some(place)
    };
    names.iter().find_map(place)
}

/// A browser and where node finds its packages, or what is missing.
fn tools() -> Result<(String, PathBuf), String> {
    let chosen = std::env::var("CHROMIUM").ok();
    let known = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    let browsers: Vec<String> = chosen.into_iter().chain(known).collect();
    let browser = program(&browsers).ok_or("no Chromium is installed")?;
    for name in ["node", "npm"] {
        program(&[name.to_owned()]).ok_or_else(|| format!("`{name}` is not installed"))?;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let modules = folder.join("node_modules");
    // Where they lie already npm asks nobody.
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--prefix",
    ]);
    let npm = npm.arg(&folder).args(PACKAGES).output();
    let npm = npm.map_err(|error| format!("npm: {error}"))?;
    if npm.status.success() {
        Ok((browser, modules))
    } else {
        Err(format!("npm: {}", String::from_utf8_lossy(&npm.stderr)))
    }
}

/// CI installs what this needs; elsewhere it is left out where that is missing, and says so.
#[test]
fn pages_of_every_kind_hold_in_a_browser() {
    let (browser, modules) = match tools() {
        Ok(found) => found,
        Err(missing) => {
            let required = std::env::var_os("WORKBENCH_REQUIRE_BROWSER").is_some();
            assert!(!required, "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let pages = pages::all(dir.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/check_report.mjs");
    let mut node = Command::new("node");
    node.arg(script);
    if let Some(folder) = std::env::var_os("WORKBENCH_PICTURES") {
        node.arg("--pictures").arg(folder);
    }
    node.args(&pages)
        .env("NODE_PATH", modules)
        .env("CHROMIUM", browser);
    let output = node.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}{failed}");
}
