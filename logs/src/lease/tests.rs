use super::*;
use std::fs;

/// Long enough for a loop of looks to notice a change, short enough to wait for.
const PATIENCE: Duration = Duration::from_millis(300);
const DAY: Duration = Duration::from_hours(24);

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("lease.json")
}

fn elsewhere() -> Holder {
    Holder {
        host: "elsewhere".into(),
        boot: Some("another boot".into()),
        ..Holder::me()
    }
}

/// Writes somebody's lease with a heartbeat at `beat`.
fn leave(path: &Path, holder: &Holder, beat: SystemTime) {
    write_json_atomic(path, holder).unwrap();
    File::open(path).unwrap().set_modified(beat).unwrap();
}

#[test]
fn a_second_writer_is_refused_until_the_first_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Lease::take(&path(&dir)).unwrap();
    lease.confirm().unwrap();
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
    assert_eq!(earlier.life(), Life::Gone);
    assert_eq!(Holder::me().life(), Life::Lives);
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_is_not_asked_about_processes_it_does_not_number() {
    let rebooted_or_namesake = Holder {
        boot: Some("another boot".into()),
        ..Holder::me()
    };
    let container = Holder {
        pid: u32::MAX,
        pid_namespace: Some(1),
        ..Holder::me()
    };
    let earlier_version = Holder {
        pid_namespace: None,
        ..Holder::me()
    };
    for holder in [rebooted_or_namesake, container, earlier_version] {
        assert_eq!(holder.life(), Life::Unknown, "{holder:?}");
    }
}

/// Six minutes behind, two days ahead or right: a clock decides nothing.
#[test]
fn a_holder_elsewhere_that_beats_keeps_its_lease_whatever_its_clock_says() {
    let now = SystemTime::now();
    for clock in [now - Duration::from_mins(6), now, now + 2 * DAY] {
        let dir = tempfile::tempdir().unwrap();
        let path = path(&dir);
        leave(&path, &elsewhere(), clock);
        let taken = std::thread::scope(|scope| {
            let taker = scope.spawn(|| Lease::take_watching(&path, Duration::from_mins(1)));
            let mut beat = clock;
            while !taker.is_finished() {
                beat += Duration::from_secs(2);
                let file = File::open(&path).unwrap();
                file.set_modified(beat).unwrap();
                sleep(Duration::from_millis(20));
            }
            taker.join().unwrap()
        });
        assert!(matches!(taken, Err(LogError::Held { .. })), "{taken:?}");
    }
}

#[test]
fn a_holder_elsewhere_that_does_not_beat_blocks_nobody_for_longer_than_the_watch() {
    let now = SystemTime::now();
    let container = Holder {
        pid_namespace: Some(1),
        ..Holder::me()
    };
    for clock in [now - Duration::from_mins(6), now, now + 2 * DAY] {
        for holder in [elsewhere(), container.clone()] {
            let dir = tempfile::tempdir().unwrap();
            leave(&path(&dir), &holder, clock);
            let start = Instant::now();
            Lease::take_watching(&path(&dir), PATIENCE).unwrap();
            assert!(start.elapsed() >= PATIENCE, "it was given time to beat");
        }
    }
}

#[test]
fn a_writer_whose_lease_was_taken_over_learns_it_for_good_and_leaves_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Lease::take(&path(&dir)).unwrap();
    write_json_atomic(&path(&dir), &elsewhere()).unwrap();
    assert!(matches!(lease.confirm(), Err(LogError::Lost { .. })));
    let act = || -> Result<(), LogError> { panic!("it must not act") };
    assert!(lease.while_held(act).is_err());
    // The other has ended: that gives nothing back.
    fs::remove_file(path(&dir)).unwrap();
    assert!(lease.is_lost() && lease.confirm().is_err());
    write_json_atomic(&path(&dir), &elsewhere()).unwrap();
    drop(lease);
    assert!(path(&dir).exists());
}

#[test]
fn a_lease_whose_directory_is_gone_is_not_written_anew() {
    let root = tempfile::tempdir().unwrap();
    let (dir, moved) = (root.path().join("run"), root.path().join("moved"));
    fs::create_dir(&dir).unwrap();
    let lease = Lease::take(&dir.join("lease.json")).unwrap();
    fs::rename(&dir, &moved).unwrap();
    assert!(matches!(lease.confirm(), Err(LogError::Gone { .. })));
    fs::create_dir(&dir).unwrap();
    assert!(
        matches!(lease.confirm(), Err(LogError::Gone { .. })),
        "a directory of the same name is another one"
    );
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_deleted_or_damaged_lease_is_written_again_by_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Lease::take(&path(&dir)).unwrap();
    fs::remove_file(path(&dir)).unwrap();
    lease.confirm().unwrap();
    fs::write(path(&dir), b"{\"pid\":").unwrap();
    assert_eq!(lease.while_held(|| Ok::<_, LogError>(7)).unwrap(), 7);
    assert!(Lease::take(&path(&dir)).is_err());
}

#[test]
fn a_damaged_lease_that_nobody_repairs_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(path(&dir), b"{\"pid\":").unwrap();
    let lease = Lease::take_watching(&path(&dir), PATIENCE).unwrap();
    lease.confirm().unwrap();
}

/// A process that is suspended in the middle of a write beats no more, but its lock says that it is there.
#[test]
fn a_directory_that_stays_locked_neither_hangs_anybody_nor_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let lock = File::open(dir.path()).unwrap();
    lock.lock().unwrap();
    leave(&path(&dir), &elsewhere(), SystemTime::now());
    let refused = Lease::take_watching(&path(&dir), PATIENCE);
    assert!(matches!(refused, Err(LogError::Held { .. })), "{refused:?}");
    // Without a lease it is nobody's business.
    fs::remove_file(path(&dir)).unwrap();
    Lease::take_watching(&path(&dir), PATIENCE).unwrap();
}

/// Whoever takes a lease and then finds that he cannot go on has changed nothing.
#[test]
fn what_a_dead_holder_left_is_put_back_unless_the_lease_was_settled() {
    let dir = tempfile::tempdir().unwrap();
    let dead = Holder {
        pid: u32::MAX,
        ..Holder::me()
    };
    write_json_atomic(&path(&dir), &dead).unwrap();
    let before = fs::read(path(&dir)).unwrap();
    let lease = Lease::take(&path(&dir)).unwrap();
    assert_ne!(fs::read(path(&dir)).unwrap(), before);
    drop(lease);
    assert_eq!(fs::read(path(&dir)).unwrap(), before);
    let mut lease = Lease::take(&path(&dir)).unwrap();
    lease.settle();
    drop(lease);
    assert!(!path(&dir).exists());
}
