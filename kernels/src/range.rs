//! Where in the network values are rounded, and what that cost in range.

use crate::format::{round_onto, round_uncounted, saturate_onto};
use crate::{HalfFormat, RangeCount};
use std::any::Any;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Totals of one rounding point since the last [`RangeSite::take`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SiteTotals {
    /// Range losses in the forward pass.
    pub forward: RangeCount,
    /// Range losses in the backward pass.
    pub backward: RangeCount,
}

/// What one pass brought to a rounding point that is watched, before it was rounded.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Watched {
    /// Finite values other than 0.
    pub nonzero: u64,
    /// Values that were not finite already.
    pub nonfinite: u64,
    /// Largest finite magnitude; 0 without one.
    pub largest: f32,
}

impl Watched {
    /// Takes in values.
    pub fn add(&mut self, values: &[f32]) {
        for value in values {
            if value.is_finite() {
                self.nonzero += u64::from(*value != 0.0);
                self.largest = self.largest.max(value.abs());
            } else {
                self.nonfinite += 1;
            }
        }
    }
}

/// [`Watched`] of one pass, shared by threads.
#[derive(Debug, Default)]
struct Watch {
    nonzero: AtomicU64,
    nonfinite: AtomicU64,
    /// Bits of the magnitude.
    largest: AtomicU32,
}

impl Watch {
    fn add(&self, values: &[f32]) {
        let mut found = Watched::default();
        found.add(values);
        self.nonzero.fetch_add(found.nonzero, Ordering::Relaxed);
        self.nonfinite.fetch_add(found.nonfinite, Ordering::Relaxed);
        let bits = found.largest.to_bits();
        self.largest.fetch_max(bits, Ordering::Relaxed);
    }

    fn take(&self) -> Watched {
        Watched {
            nonzero: self.nonzero.swap(0, Ordering::Relaxed),
            nonfinite: self.nonfinite.swap(0, Ordering::Relaxed),
            largest: f32::from_bits(self.largest.swap(0, Ordering::Relaxed)),
        }
    }
}

/// A named point at which values are rounded. Rounding happens inside the autodiff graph, whose
/// steps cannot return anything but tensors; hence the shared counters.
#[derive(Debug, Default)]
pub struct RangeSite {
    /// What is rounded here, for example `attention.scores`.
    pub name: &'static str,
    /// Layer counted from 0; absent outside the layers.
    pub layer: Option<usize>,
    counts: [AtomicU64; 4],
    /// Bits of [`RangeCount::largest`] of both passes, which are ordered as the magnitudes are.
    largest: [AtomicU32; 2],
    /// Of the forward and the backward pass; absent where nobody asks.
    watch: Option<[Watch; 2]>,
    /// Where a device counts for it.
    place: Option<Place>,
}

/// Counters on a device for all sites of a pass, made when the first of them counts there.
#[derive(Debug)]
pub struct Tally {
    sites: usize,
    runs: usize,
    counters: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Tally {
    /// For so many sites, each of which stores tensors of so many runs, one run's part after another's of the same size.
    #[must_use]
    pub fn new(sites: usize, runs: usize) -> Self {
        Self {
            sites,
            runs,
            counters: OnceLock::new(),
        }
    }

    /// Places of counters: one for each run in each pass of every site.
    #[must_use]
    pub fn places(&self) -> usize {
        2 * self.sites * self.runs
    }

    /// Runs whose parts of a tensor are counted apart.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// The counters, made where there are none; absent where they are another backend's.
    pub fn on<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        let counters = self.counters.get_or_init(|| Box::new(make()));
        counters.downcast_ref()
    }

    /// The counters, where there are some of this kind.
    #[must_use]
    pub fn made<T: Any>(&self) -> Option<&T> {
        self.counters.get()?.downcast_ref()
    }
}

/// The place of a site in a tally.
#[derive(Debug, Clone)]
pub struct Place {
    /// Shared by all sites of a pass.
    pub tally: Arc<Tally>,
    /// Number of the site, from 0.
    pub site: usize,
}

impl Place {
    /// Number of the place for a pass.
    #[must_use]
    pub fn of(&self, pass: Pass) -> usize {
        2 * self.site + pass as usize / 2
    }
}

impl RangeSite {
    /// A site with all counters at zero.
    #[must_use]
    pub fn new(name: &'static str, layer: Option<usize>) -> Self {
        Self {
            name,
            layer,
            ..Self::default()
        }
    }

    /// The site, which looks at all values too, not only at those that are lost. That takes time and changes no bit.
    #[must_use]
    pub fn watched(self) -> Self {
        Self {
            watch: Some(Default::default()),
            ..self
        }
    }

    /// The site with a place for a device to count at.
    #[must_use]
    pub fn placed(self, place: Place) -> Self {
        Self {
            place: Some(place),
            ..self
        }
    }

    /// Where a device counts for it.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Takes in its own of what a device counted, as [`crate::Kernels::take_counts`] gave it.
    pub fn settle(&self, counts: &[RangeCount]) {
        for pass in [Pass::Forward, Pass::Backward] {
            let place = self.place.as_ref().map(|place| place.of(pass));
            if let Some(count) = place.and_then(|place| counts.get(place)) {
                self.add(pass, *count);
            }
        }
    }

    /// Reads what was watched in the forward and the backward pass, and forgets it; none at a site that is not
    /// watched.
    pub fn take_watched(&self) -> Option<[Watched; 2]> {
        let watch = self.watch.as_ref()?;
        Some(watch.each_ref().map(Watch::take))
    }

    /// Takes in what was lost in a pass.
    pub fn add(&self, pass: Pass, count: RangeCount) {
        let base = pass as usize;
        // Most passes lose nothing, and an atomic addition is not free.
        for (slot, value) in [(base, count.overflow), (base + 1, count.underflow)] {
            if value > 0 {
                self.counts[slot].fetch_add(value, Ordering::Relaxed);
            }
        }
        if count.overflow > 0 {
            let bits = count.largest.to_bits();
            self.largest[base / 2].fetch_max(bits, Ordering::Relaxed);
        }
    }

    /// Reads the totals and sets them to zero.
    pub fn take(&self) -> SiteTotals {
        let of = |pass: Pass| {
            let base = pass as usize;
            let count = |slot: usize| self.counts[slot].swap(0, Ordering::Relaxed);
            RangeCount {
                overflow: count(base),
                underflow: count(base + 1),
                largest: f32::from_bits(self.largest[base / 2].swap(0, Ordering::Relaxed)),
            }
        };
        SiteTotals {
            forward: of(Pass::Forward),
            backward: of(Pass::Backward),
        }
    }
}

/// Forward or backward; the value is the first counter's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Values.
    Forward = 0,
    /// Gradients.
    Backward = 2,
}

/// Rounding to a 16-bit format at a site.
#[derive(Debug, Clone)]
pub struct Rounding {
    /// Target format.
    pub format: HalfFormat,
    /// Where losses are counted; absent when nobody asks.
    pub site: Option<Arc<RangeSite>>,
    /// Whether a gradient beyond the range becomes the largest finite value instead of infinity. Values of
    /// the forward pass never do.
    pub saturates: bool,
}

/// Rounds the values of a stored tensor where the pass has a format, and counts.
#[inline]
pub fn store(values: &mut [f32], point: Option<&Rounding>, pass: Pass) {
    if let Some(rounding) = point {
        rounding.apply(values, pass);
    }
}

/// [`store()`] for a tensor of which one has many pieces in hand: counts are added up at the end.
#[derive(Debug)]
pub struct Store<'a> {
    point: Option<&'a Rounding>,
    /// Absent for values that were stored, and counted, before.
    pass: Option<Pass>,
    count: RangeCount,
}

impl<'a> Store<'a> {
    /// For the values of a pass.
    #[must_use]
    pub fn new(point: Option<&'a Rounding>, pass: Pass) -> Self {
        Self {
            point,
            pass: Some(pass),
            count: RangeCount::default(),
        }
    }

    /// For values that were stored, and counted, before: nothing is counted.
    #[must_use]
    pub fn again(point: Option<&'a Rounding>) -> Self {
        Self {
            point,
            pass: None,
            count: RangeCount::default(),
        }
    }

    /// Rounds some of the values. Called for every row, so nothing is left of it where nothing is rounded.
    #[inline]
    pub fn piece(&mut self, values: &mut [f32]) {
        if let Some(rounding) = self.point {
            self.round(values, rounding);
        }
    }

    #[inline(never)]
    fn round(&mut self, values: &mut [f32], rounding: &Rounding) {
        match self.pass {
            Some(pass) => rounding.round_onto(values, pass, &mut self.count),
            None => round_uncounted(values, rounding.format),
        }
    }
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        if let (Some(rounding), Some(pass)) = (self.point, self.pass) {
            rounding.count(pass, self.count);
        }
    }
}

/// Rounds values that were stored, and counted, before.
#[inline]
pub fn round_again(values: &mut [f32], point: Option<&Rounding>) {
    if let Some(rounding) = point {
        round_uncounted(values, rounding.format);
    }
}

impl Rounding {
    /// The same for values that are computed again, which have been counted.
    pub(crate) fn uncounted(&self) -> Self {
        Self {
            site: None,
            ..self.clone()
        }
    }

    /// Whether its site looks at all values.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        let site = self.site.as_ref();
        site.is_some_and(|site| site.watch.is_some())
    }

    /// Rounds values in place and counts at its site what that loses.
    pub fn apply(&self, values: &mut [f32], pass: Pass) {
        self.count(pass, self.round(values, pass));
    }

    /// Rounds values in place; the site is not told what that loses.
    pub fn round(&self, values: &mut [f32], pass: Pass) -> RangeCount {
        let mut count = RangeCount::default();
        self.round_onto(values, pass, &mut count);
        count
    }

    #[inline]
    fn round_onto(&self, values: &mut [f32], pass: Pass, count: &mut RangeCount) {
        self.look(pass, || &*values);
        if self.saturates_in(pass) {
            saturate_onto(values, self.format, count);
        } else {
            round_onto(values, self.format, count);
        }
    }

    /// Shows values that are about to be rounded to a site that is watched.
    #[inline]
    pub(crate) fn look<T: AsRef<[f32]>>(&self, pass: Pass, values: impl FnOnce() -> T) {
        if let Some(watch) = self.site.as_ref().and_then(|site| site.watch.as_ref()) {
            watch[pass as usize / 2].add(values().as_ref());
        }
    }

    pub(crate) fn saturates_in(&self, pass: Pass) -> bool {
        match pass {
            Pass::Forward => false,
            Pass::Backward => self.saturates,
        }
    }

    pub(crate) fn count(&self, pass: Pass, count: RangeCount) {
        if let Some(site) = &self.site {
            site.add(pass, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_totals_resets_them_and_keeps_passes_apart() {
        let site = RangeSite::new("scores", Some(3));
        site.add(
            Pass::Forward,
            RangeCount {
                overflow: 2,
                underflow: 0,
                largest: 7e4,
            },
        );
        site.add(
            Pass::Backward,
            RangeCount {
                overflow: 0,
                underflow: 5,
                largest: 0.0,
            },
        );
        let totals = site.take();
        assert_eq!((totals.forward.overflow, totals.backward.underflow), (2, 5));
        assert_eq!(
            (totals.forward.largest, totals.backward.largest),
            (7e4, 0.0)
        );
        assert_eq!(site.take(), SiteTotals::default());
    }

    /// Watching changes neither values nor counts.
    #[test]
    fn what_is_watched_is_what_was_there_before_rounding() {
        let values = [-7e4, 1e-9, 0.0, 3.0, f32::NAN, f32::INFINITY];
        let rounded = |site: RangeSite| {
            let site = Arc::new(site);
            let rounding = Rounding {
                format: HalfFormat::Fp16,
                site: Some(site.clone()),
                saturates: false,
            };
            let mut values = values;
            rounding.apply(&mut values, Pass::Backward);
            (values.map(f32::to_bits), site)
        };
        let (plain, site) = rounded(RangeSite::new("a", None));
        assert_eq!(site.take_watched(), None);
        let (watched, site) = rounded(RangeSite::new("a", None).watched());
        assert_eq!(plain, watched);
        let [forward, backward] = site.take_watched().unwrap();
        assert_eq!(forward, Watched::default());
        let expected = Watched {
            nonzero: 3,
            nonfinite: 2,
            largest: 7e4,
        };
        assert_eq!(backward, expected);
        assert_eq!(site.take_watched(), Some([Watched::default(); 2]));
        let lost = site.take().backward;
        assert_eq!((lost.overflow, lost.underflow), (1, 1));
    }
}
