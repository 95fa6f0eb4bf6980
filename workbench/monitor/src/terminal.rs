//! The terminal: taking it over, giving it back whatever happens, and the one event loop.

use std::io::{self, IsTerminal, Stdout, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        event::{self, DisableMouseCapture, EnableMouseCapture},
        execute,
        style::Print,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::Rect,
};

use crate::app::App;
use crate::error::{Exit, MonitorError};
use crate::screen::Leaving;

/// How often the files are looked at while runs are live, and when all have ended.
const POLL_LIVE: Duration = Duration::from_millis(500);
const POLL_ENDED: Duration = Duration::from_secs(2);

/// The longest that a look at the files waits for the one before to have been cheap.
const POLL_SLOWEST: Duration = Duration::from_secs(5);

/// A look and the drawing behind it take at most a part in so many of the time between two looks, as time of a processor: where
/// what trains has all of them, a look waits for its turn, and that is no reason to look less often.
const SPARED: u32 = 125;

/// How long the loop may sleep: the longest delay before it sees that it should stop.
const NAP: Duration = Duration::from_millis(250);

/// Events taken in before the next frame, so that a held key never outruns the drawing.
const BATCH: usize = 256;

/// Draws, waits, takes events and news in, until the user or `stop` ends it.
pub(crate) fn run(app: &mut App, stop: &dyn Fn() -> bool) -> Result<Exit, MonitorError> {
    let mut session = Session::start()?;
    let mut dirty = true;
    let mut polled = Instant::now();
    let mut pace = Pace::default();
    loop {
        dirty |= app.hear();
        if dirty && !session.lost.load(Ordering::Relaxed) {
            let begun = spent();
            session
                .terminal
                .draw(|frame| app.draw(frame.area(), frame.buffer_mut()))?;
            pace.draw = spent().saturating_sub(begun);
            dirty = false;
        }
        dirty |= session.serve(app)?;
        if let Some(leaving) = app.screen.leaving {
            return Ok(match leaving {
                Leaving::Alone => Exit::Left,
                Leaving::Interrupted => Exit::Interrupted,
            });
        }
        if stop() || session.lost.load(Ordering::Relaxed) {
            return Ok(Exit::Stopped);
        }
        let interval = pace.interval(app.screen.shared.ended());
        let left = interval.saturating_sub(polled.elapsed());
        if event::poll(left.min(NAP))? {
            for _ in 0..BATCH {
                dirty |= app.handle(&event::read()?);
                if app.screen.leaving.is_some() || !event::poll(Duration::ZERO)? {
                    break;
                }
            }
        }
        if polled.elapsed() >= interval {
            let begun = spent();
            let news = app.poll()?;
            pace.poll = spent().saturating_sub(begun);
            dirty |= news.changed;
            if news.bell {
                execute!(stdout(), Print('\x07'))?;
            }
            polled = Instant::now();
        }
    }
}

/// What the last look and the last drawing took of a processor.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    poll: Duration,
    draw: Duration,
}

impl Pace {
    /// Time from one look to the next: a monitor that is only looked at is to leave the machine to what trains.
    fn interval(self, ended: bool) -> Duration {
        let (least, cost) = if ended {
            // There is seldom anything to draw.
            (POLL_ENDED, self.poll)
        } else {
            (POLL_LIVE, self.poll + self.draw)
        };
        cost.saturating_mul(SPARED).clamp(least, POLL_SLOWEST)
    }
}

/// Time of processors that this process has taken so far.
fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

type PanicHook = Arc<dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync + 'static>;

/// The terminal while the monitor owns it. Dropping gives it back, and so does a panic before it prints.
struct Session {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    previous_hook: PanicHook,
    /// Set when another thread panicked: its message is on the screen, and drawing over it would hide it.
    lost: Arc<AtomicBool>,
}

impl Session {
    fn start() -> Result<Self, MonitorError> {
        if !stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(MonitorError::NoTerminal);
        }
        let previous_hook: PanicHook = Arc::from(std::panic::take_hook());
        let lost = Arc::new(AtomicBool::new(false));
        let (hook, flag) = (Arc::clone(&previous_hook), Arc::clone(&lost));
        std::panic::set_hook(Box::new(move |info| {
            flag.store(true, Ordering::Relaxed);
            restore();
            hook(info);
        }));
        TAKEN.store(true, Ordering::Relaxed);
        let terminal = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, EnableMouseCapture))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match terminal {
            Ok(terminal) => Ok(Self {
                terminal,
                previous_hook,
                lost,
            }),
            Err(error) => {
                restore();
                Err(error.into())
            }
        }
    }
}

impl Session {
    /// Does what needs the terminal or its size: a file that is to be written, a line for the clipboard.
    fn serve(&mut self, app: &mut App) -> io::Result<bool> {
        let size = self.terminal.size()?;
        match app.write_export(Rect::new(0, 0, size.width, size.height)) {
            Ok(None) => return Self::copy(app),
            Ok(Some(done)) => app.screen.note = done.to_string(),
            Err(error) => app.screen.note = format!("error: {error}"),
        }
        Ok(true)
    }

    fn copy(app: &mut App) -> io::Result<bool> {
        if let Some(line) = app.screen.clipboard.take() {
            // OSC 52: the terminal copies it, also over ssh.
            execute!(
                stdout(),
                Print(format!("\x1b]52;c;{}\x07", base64(line.as_bytes())))
            )?;
        }
        Ok(false)
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = (0..3).fold(0u32, |bits, place| {
            bits << 8 | u32::from(three.get(place).copied().unwrap_or(0))
        });
        let digit = move |place: usize| {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            if place > three.len() {
                '='
            } else {
                char::from(digit)
            }
        };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

impl Drop for Session {
    fn drop(&mut self) {
        restore();
        // A hook cannot be set while unwinding, and then it has done its work anyway.
        if !std::thread::panicking() {
            let hook = Arc::clone(&self.previous_hook);
            std::panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

/// Whether the monitor owns the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back if the monitor has it; for a process that must end while the monitor is
/// shown. Errors are of no use here: there is nowhere to report them to.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        LeaveAlternateScreen,
        ratatui::crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_takes_long_is_taken_less_often() {
        let of = |poll, draw, ended| {
            let pace = Pace {
                poll: Duration::from_millis(poll),
                draw: Duration::from_millis(draw),
            };
            pace.interval(ended).as_millis()
        };
        assert_eq!(of(1, 2, false), 500);
        assert_eq!(of(6, 6, false), 1500);
        assert_eq!(of(900, 900, false), 5000);
        assert_eq!(of(6, 900, true), 2000);
        assert_eq!(of(24, 0, true), 3000);
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
