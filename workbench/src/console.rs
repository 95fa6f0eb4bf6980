//! The only way from this program to its standard streams.
//!
//! Results go to standard output. They are what a command is for, so failing to write them is a failure of
//! the command; only a reader that has gone away (`| head`) is none. Everything else goes to standard error
//! and is never worth ending for: a run outlives the terminal that it was started from.
//!
//! Text from files, cards and paths is made [`words::printable()`] on its way.

use crate::failure::Failure;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// Prints a result, exactly: no line feed is added.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match write(words::printable(text).as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::io("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Prints the path of a file that was written. A stream may be the one that this program prints to, and has
/// nothing in it then but what was written: its path goes to standard error.
pub(crate) fn written(path: &Path) -> Result<(), Failure> {
    let path_text = path.display();
    if logs::disk::is_stream(path) {
        say(&format!("written: {path_text}"));
        return Ok(());
    }
    print(&format!("{path_text}\n"))
}

/// Prints a result for machines, as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
    print(&format!("{text}\n"))
}

/// Says something in a line on standard error; whether anybody can hear it does not matter.
pub(crate) fn say(message: &str) {
    let line = format!("{message}\n");
    // One write, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(words::printable(&line).as_bytes());
}

/// Rings the bell of the terminal that standard error is, if it is one.
pub(crate) fn bell() {
    let mut stream = io::stderr();
    if stream.is_terminal() {
        let _ = stream.write_all(b"\x07");
    }
}

/// Writes to standard output without a buffer, so that nothing is left for the end of the process, and
/// without the standard library's `Stdout`, which takes a descriptor that cannot be written for one that
/// swallows everything.
fn write(mut bytes: &[u8]) -> io::Result<()> {
    if closed::at_start() {
        return Err(io::Error::other("it is closed"));
    }
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody made the pipe non-blocking, and it is full for now.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether standard output was closed (`>&-`) when the process began. `main` is too late to ask: by then
/// the standard library has opened `/dev/null` in its place, which looks like any other `/dev/null`.
#[cfg(target_os = "linux")]
mod closed {
    use std::sync::atomic::{AtomicBool, Ordering};

    static CLOSED: AtomicBool = AtomicBool::new(false);

    pub(super) fn at_start() -> bool {
        CLOSED.load(Ordering::Relaxed)
    }

    extern "C" fn look() {
        let found = rustix::io::fcntl_getfd(std::io::stdout());
        CLOSED.store(found == Err(rustix::io::Errno::BADF), Ordering::Relaxed);
    }

    /// The loader calls what this section lists before anything else of the program.
    #[used]
    #[expect(
        unsafe_code,
        reason = "a place in a section of the loader; only `look` runs there"
    )]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;
}

#[cfg(not(target_os = "linux"))]
mod closed {
    pub(super) fn at_start() -> bool {
        false
    }
}
