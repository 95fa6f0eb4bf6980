//! Failures that are the machine's and not the run's.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// Something of the machine that failed under a run, and of which no error of the operating system says so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MachineFailure(pub String);

/// Whether an error or one of its causes says that the machine ran out of something (disk space,
/// memory, open files), cannot write its disk any more, or has lost a device. Nothing is wrong with the run then: it can
/// go on once the machine can, and until then every other run would fail in the same way.
#[must_use]
pub fn is_machine_failure(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let of_system = error.downcast_ref::<io::Error>();
        if error.is::<MachineFailure>() || of_system.is_some_and(is_of_machine) {
            return true;
        }
        // The source of such an error is not what it wraps, but that one's source.
        let wrapped = of_system.and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

fn is_of_machine(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    // These have no kind of their own.
    const NUMBERS: [Errno; 5] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::IO,
        Errno::NODEV,
        Errno::NOMEM,
    ];
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    let kinds = [
        Kind::StorageFull,
        Kind::QuotaExceeded,
        Kind::FileTooLarge,
        Kind::ReadOnlyFilesystem,
        Kind::StaleNetworkFileHandle,
        Kind::OutOfMemory,
    ];
    kinds.contains(&error.kind()) || number.is_some_and(|number| NUMBERS.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogError;
    use std::path::Path;

    fn failure(number: Errno) -> LogError {
        let error = io::Error::from_raw_os_error(number.raw_os_error());
        LogError::io("write", Path::new("run/summary.json"), error)
    }

    #[test]
    fn a_machine_that_ran_out_is_told_from_a_run_that_failed() {
        for number in [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::FBIG,
            Errno::ROFS,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::IO,
            Errno::STALE,
        ] {
            assert!(is_machine_failure(&failure(number)), "{number:?}");
        }
        for number in [Errno::NOENT, Errno::ACCESS, Errno::ISDIR, Errno::PIPE] {
            assert!(!is_machine_failure(&failure(number)), "{number:?}");
        }
    }

    #[test]
    fn a_cause_behind_other_errors_is_found() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let wrapped = io::Error::other(failure(Errno::MFILE));
        assert!(is_machine_failure(&io::Error::other(full)));
        assert!(is_machine_failure(&wrapped));
        assert!(!is_machine_failure(&io::Error::other("the disk")));
    }
}
