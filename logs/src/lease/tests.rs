use super::*;

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("lease.json")
}

#[test]
fn a_second_writer_is_refused_until_the_first_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Lease::take(&path(&dir)).unwrap();
    lease.heartbeat().unwrap();
    let error = Lease::take(&path(&dir)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, LogError::Held { .. }), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(lease);
    assert!(!path(&dir).exists());
    Lease::take(&path(&dir)).unwrap();
}

#[test]
fn of_many_that_find_a_dead_lease_at_once_one_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let dead = Holder {
        pid: u32::MAX,
        ..Holder::me()
    };
    write_json_atomic(&path(&dir), &dead).unwrap();
    let taken: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Lease::take(&path(&dir))))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(taken.iter().filter(|lease| lease.is_ok()).count(), 1);
}

#[test]
fn the_lease_of_a_killed_child_is_taken_over_even_before_it_is_collected() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let holder = Holder {
        pid: child.id(),
        start_ticks: process::start_ticks(child.id()),
        ..Holder::me()
    };
    write_json_atomic(&path(&dir), &holder).unwrap();
    assert!(Lease::take(&path(&dir)).is_err(), "the child is alive");
    child.kill().unwrap();
    // The kill is asynchronous: the lease frees up as soon as the child is a zombie.
    while process::is_running(child.id()) {
        std::thread::yield_now();
    }
    Lease::take(&path(&dir)).unwrap();
    child.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_reused_process_number_is_not_mistaken_for_the_holder() {
    let earlier = Holder {
        start_ticks: Some(1),
        ..Holder::me()
    };
    assert!(!earlier.alive(Duration::ZERO));
    let before_reboot = Holder {
        boot: Some("another boot".into()),
        ..Holder::me()
    };
    assert!(!before_reboot.alive(Duration::ZERO));
    assert!(
        Holder::me().alive(Duration::MAX),
        "here the heartbeat says nothing"
    );
}

#[test]
fn a_holder_on_another_machine_is_judged_by_its_heartbeat() {
    let remote = Holder {
        host: "elsewhere".into(),
        ..Holder::me()
    };
    assert!(remote.alive(Duration::from_secs(1)));
    assert!(!remote.alive(STALE_AFTER));
}

#[test]
fn a_writer_whose_lease_was_taken_over_learns_it_and_leaves_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Lease::take(&path(&dir)).unwrap();
    let other = Holder {
        host: "elsewhere".into(),
        ..Holder::me()
    };
    write_json_atomic(&path(&dir), &other).unwrap();
    assert!(matches!(lease.heartbeat(), Err(LogError::Held { .. })));
    drop(lease);
    assert!(path(&dir).exists());
}

#[test]
fn a_damaged_lease_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(path(&dir), b"{\"pid\":").unwrap();
    Lease::take(&path(&dir)).unwrap().heartbeat().unwrap();
}
