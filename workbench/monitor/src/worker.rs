//! What takes longer than a frame may is found by a thread beside the screen, which goes on showing what was found before.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a frame waits for an answer that may come at once, so that most are on the screen without a frame in between.
const SOON: Duration = Duration::from_millis(4);

/// An answer that is found anew whenever what it is made from changes. One thread at a time works on it.
#[derive(Debug)]
pub(crate) struct Worked<K, T> {
    /// What the answer that came last, or the one that is coming, is made from.
    from: Option<K>,
    answer: Option<T>,
    coming: Option<Receiver<T>>,
}

impl<K, T> Default for Worked<K, T> {
    fn default() -> Self {
        Self {
            from: None,
            answer: None,
            coming: None,
        }
    }
}

impl<K: PartialEq, T: Send + 'static> Worked<K, T> {
    /// Begins to find the answer to `from`, unless that is the one that is there. Where a thread is at work on another one, a later
    /// call will begin. `gather` takes together what the thread needs.
    pub(crate) fn want<W>(&mut self, from: K, gather: impl FnOnce() -> W)
    where
        W: FnOnce() -> T + Send + 'static,
    {
        self.hear();
        if self.coming.is_some() || self.from.as_ref() == Some(&from) {
            return;
        }
        let work = gather();
        let (say, heard) = channel();
        let thread = std::thread::Builder::new().name("beside the screen".to_owned());
        // Nobody hears it once the monitor is left.
        let spawned = thread.spawn(move || say.send(work()));
        // A system that is out of threads is asked again at the next frame.
        if spawned.is_ok() {
            self.from = Some(from);
            self.coming = Some(heard);
            self.take(SOON);
        }
    }

    /// The answer that came last, which may be to what was wanted before.
    pub(crate) fn answer(&self) -> Option<&T> {
        self.answer.as_ref()
    }

    /// Takes an answer in; `true` where one has come.
    pub(crate) fn hear(&mut self) -> bool {
        self.take(Duration::ZERO)
    }

    /// Waits for the answer that is coming; `false` where none is.
    pub(crate) fn wait(&mut self) -> bool {
        let waited = self.coming.is_some();
        while self.coming.is_some() {
            self.take(Duration::from_secs(1));
        }
        waited
    }

    fn take(&mut self, longest: Duration) -> bool {
        let Some(coming) = &self.coming else {
            return false;
        };
        match coming.recv_timeout(longest) {
            Ok(answer) => self.answer = Some(answer),
            Err(RecvTimeoutError::Timeout) => return false,
            // The thread panicked, which ends the session with its message; nothing more comes of it.
            Err(RecvTimeoutError::Disconnected) => {}
        }
        self.coming = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    /// The thread is held back until the test lets it go on, so that nothing depends on how fast it is.
    #[test]
    fn the_screen_goes_on_while_an_answer_is_found() {
        let mut worked: Worked<u32, u32> = Worked::default();
        let (go, gate) = sync_channel::<()>(0);
        worked.want(1, || move || gate.recv().map_or(0, |()| 10));
        assert_eq!(worked.answer(), None, "it did not wait");
        worked.want(2, || || 20);
        assert!(!worked.hear(), "one at a time");
        go.send(()).unwrap();
        assert!(worked.wait());
        assert_eq!(worked.answer(), Some(&10));
        worked.want(2, || || 20);
        worked.wait();
        assert_eq!(worked.answer(), Some(&20), "what was wanted meanwhile");
        worked.want(2, || -> fn() -> u32 { panic!("it is there already") });
        assert!(!worked.wait());
    }
}
