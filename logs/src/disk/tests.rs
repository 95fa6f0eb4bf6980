use super::*;

#[test]
fn a_file_is_replaced_whole_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("summary.json");
    write_json_atomic(&path, &[1, 2]).unwrap();
    write_json_atomic(&path, &[3]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[\n  3\n]\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_write_keeps_the_old_file_and_leaves_no_temporary() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("summary.json");
    write_atomic(&path, b"old").unwrap();
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let failed = replace(&path, |file| {
        file.write_all(b"half")?;
        Err(full())
    });
    assert!(failed.is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let text = LogError::io("write", &path, full()).to_string();
    assert!(
        text.contains("no space left") && text.contains("summary.json"),
        "{text}"
    );
}

#[test]
fn a_missing_directory_is_named() {
    let error = write_atomic(Path::new("/nonexistent/x.json"), b"").unwrap_err();
    assert_eq!(error.to_string(), "cannot write `/nonexistent/x.json`");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "there is no folder `/nonexistent`");
}

/// `b.json` in a folder of its own, and a link to it.
#[cfg(unix)]
fn link(dir: &Path) -> (PathBuf, PathBuf) {
    let (link, target) = (dir.join("a.json"), dir.join("deep").join("b.json"));
    fs::create_dir(dir.join("deep")).unwrap();
    // Relative to the folder of the link, whatever the working directory is.
    std::os::unix::fs::symlink("deep/b.json", &link).unwrap();
    (link, target)
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_the_file_it_leads_to_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (link, target) = link(dir.path());
    write_atomic(&link, b"made").unwrap();
    assert_eq!(
        fs::read(&target).unwrap(),
        b"made",
        "also where it led nowhere"
    );
    let second = dir.path().join("second");
    std::os::unix::fs::symlink(&link, &second).unwrap();
    write_atomic(&second, b"again").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), b"again");
    assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_failed_write_through_a_link_keeps_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let (link, target) = link(dir.path());
    fs::write(&target, "old").unwrap();
    replace(&link, |_| Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap_err();
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    std::os::unix::fs::symlink(&a, &b).unwrap();
    std::os::unix::fs::symlink(&b, &a).unwrap();
    write_atomic(&a, b"x").unwrap_err();
    assert!(fs::symlink_metadata(&a).unwrap().is_symlink());
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_gets_the_bytes_and_stays() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read(&pipe).unwrap());
        write_atomic(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
    });
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_behind_a_link_is_written_and_both_stay() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let error = write_atomic(&link, b"x").unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// As root the node itself was replaced by a file.
#[cfg(target_os = "linux")]
#[test]
fn a_device_node_is_never_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("null");
    let made = std::process::Command::new("mknod")
        .arg(&node)
        .args(["c", "1", "3"])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: making a device node needs to be root, and not in every container");
        return;
    }
    // Where devices do not work on this disk it is refused, which keeps the node as well.
    let _ = write_atomic(&node, b"x");
    assert!(
        fs::symlink_metadata(&node)
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

/// `--out /dev/fd/3` of a shell that goes on writing to the same file.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_keeps_the_file_that_is_open() {
    use std::os::fd::AsRawFd;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut open = File::create(&path).unwrap();
    open.write_all(b"before ").unwrap();
    let descriptor = format!("/dev/fd/{}", open.as_raw_fd());
    assert!(is_stream(Path::new(&descriptor)) && !is_stream(&path));
    write_atomic(Path::new(&descriptor), b"through ").unwrap();
    open.write_all(b"after").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before through after");
}

#[cfg(unix)]
#[test]
fn permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("private.json");
    write_atomic(&path, b"1").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    write_atomic(&path, b"2").unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_text_of_the_user_is_read_as_it_is_up_to_the_bound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("names.toml");
    let most = "x".repeat(MOST_TEXT as usize);
    fs::write(&path, &most).unwrap();
    assert!(read_text(&path).unwrap() == most);
    fs::write(&path, most + "x").unwrap();
    let error = read_text(&path).unwrap_err();
    assert!(error.to_string().contains("more than 16 MiB"), "{error}");
    assert!(is_bad_input(&error));
}

/// As a shell hands over `<(COMMAND)`. What it reads is bounded like a file, and its paths are the command's.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_somebody_writes_is_read_by_its_descriptor() {
    use std::os::fd::AsRawFd;
    let read = |bytes: Vec<u8>| {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        // More than a pipe holds, so that it must be written while it is read; refused, it is read no further.
        let writing = std::thread::spawn(move || writer.write_all(&bytes));
        let text = read_text(&path);
        drop(reader);
        let _ = writing.join().unwrap();
        assert_eq!(folder_of_text(&path), Path::new("."));
        text
    };
    let card = "a = 1\n".repeat(100_000);
    assert!(read(card.clone().into_bytes()).unwrap() == card);
    let error = read(vec![b' '; MOST_TEXT as usize + 1]).unwrap_err();
    assert!(error.to_string().contains("more than 16 MiB"), "{error}");
    assert_eq!(
        folder_of_text(Path::new("cards/a.toml")),
        Path::new("cards")
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_text_of_a_user_is_refused_by_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    fs::write(place("latin.toml"), b"a = 1\nb = \"\xe9\"\n").unwrap();
    std::os::unix::fs::symlink("loop", place("loop")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place("pipe"))
        .status();
    assert!(made.unwrap().success());
    for (path, expected) in [
        (place("latin.toml"), "line 2 is not UTF-8"),
        (dir.path().to_owned(), "it is a folder"),
        (place("pipe"), "a device, a pipe or a socket"),
        (PathBuf::from("/dev/zero"), "a device, a pipe or a socket"),
        (place("loop"), ""),
        (place("nowhere"), ""),
        (place("latin.toml/inside"), ""),
        (place(&"n".repeat(300)), ""),
    ] {
        let error = read_text(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{path:?}: {error}");
        assert!(is_bad_input(&error), "{path:?}: {error}");
    }
    for machine in [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::Interrupted,
        io::ErrorKind::StorageFull,
    ] {
        assert!(!is_bad_input(&machine.into()), "{machine}");
    }
}
