//! What time it is, and how much has passed.

use std::time::{Duration, Instant, SystemTime};

/// The present time, RFC 3339 in UTC, to the millisecond.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    let rounded = now.round(jiff::Unit::Millisecond).unwrap_or(now);
    rounded.to_string()
}

/// A moment on both clocks: the monotonic one may stand still while the machine is suspended, the other
/// may be set.
#[derive(Debug)]
pub(crate) struct Moment(Instant, SystemTime);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    /// Whether `span` may have passed since. A clock that was set back says yes.
    pub(crate) fn is_over(&self, span: Duration) -> bool {
        let recent = self.1.elapsed().is_ok_and(|elapsed| elapsed < span);
        !recent || self.0.elapsed() >= span
    }
}
