//! What FP16 would make, or has made, of a tensor.

use kernels::{HalfFormat, round_slice};
use serde::Serialize;

/// Largest finite FP16 number.
pub(crate) const FP16_MAX: f32 = 65_504.0;
/// From here on numbers round to infinity.
const FP16_OVERFLOW: f32 = 65_520.0;
/// Up to here numbers round to zero: half the smallest subnormal, the tie goes to even.
const FP16_ZERO: f32 = 2.980_232_2e-8;
/// Smallest normal number; below it digits are lost.
const FP16_NORMAL: f32 = 6.103_515_6e-5;

/// Where a tensor belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// A weight as drawn.
    Weight,
    /// A value of the forward pass.
    Forward,
    /// The gradient of a value, times the loss scale.
    Backward,
    /// The gradient of a weight, times the loss scale.
    WeightGradient,
}

/// One tensor, before it is rounded.
#[derive(Debug, Clone, Serialize)]
pub struct TensorStats {
    /// `layers.34.attention.scores`.
    pub name: String,
    /// Which pass.
    pub pass: Pass,
    /// Values.
    pub count: u64,
    /// Root mean square of the finite values.
    pub rms: f64,
    /// Largest magnitude of a finite value.
    pub max: f64,
    /// Share of the values other than 0 that FP16 rounds to 0.
    pub underflow: f64,
    /// Share of the values other than 0 below the smallest normal FP16 number, underflow included.
    pub subnormal: f64,
    /// Values that are not finite in FP16.
    pub overflow: u64,
    /// 65,504 over the largest magnitude: how far from overflow.
    pub margin: f64,
}

/// A residual addition.
#[derive(Debug, Clone, Serialize)]
pub struct Addition {
    /// The sum, for example `layers.34.ffn.sum`.
    pub name: String,
    /// RMS of what is added over RMS of the stream it is added to.
    pub ratio: f64,
    /// Share of additions of something other than 0 that leave the stored stream as it was.
    pub without_effect: f64,
}

/// Sums over the blocks of one tensor.
#[derive(Default)]
struct Sums {
    count: u64,
    squares: f64,
    max: f32,
    nonzero: u64,
    underflow: u64,
    subnormal: u64,
    overflow: u64,
}

/// Takes statistics of every tensor and rounds it where a half-precision program would.
#[derive(Default)]
pub(super) struct Recorder {
    format: Option<HalfFormat>,
    tensors: Vec<(String, Pass, Sums)>,
    additions: Vec<Addition>,
}

impl Recorder {
    pub(super) fn new(format: Option<HalfFormat>) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// Counts and rounds; parts of a tensor that come one after another add up.
    pub(super) fn store(&mut self, name: &str, pass: Pass, values: &mut [f32]) {
        self.look(name, pass, values);
        self.round(values);
    }

    /// Counts only: a tensor that stays FP32.
    pub(super) fn look(&mut self, name: &str, pass: Pass, values: &[f32]) {
        let same = |(known, of, _): &&mut (String, Pass, Sums)| known == name && *of == pass;
        if let Some((_, _, sums)) = self.tensors.iter_mut().rfind(same) {
            sums.add(values);
            return;
        }
        let mut sums = Sums::default();
        sums.add(values);
        self.tensors.push((name.to_owned(), pass, sums));
    }

    /// Rounds only: a value that is computed again.
    pub(super) fn round(&self, values: &mut [f32]) {
        if let Some(format) = self.format {
            round_slice(values, format);
        }
    }

    /// Compares a stored sum with the stream before it.
    pub(super) fn addition(&mut self, name: &str, stream: &[f32], added: &[f32], sum: &[f32]) {
        let (mut squares, mut of_added) = (0.0, 0.0);
        let (mut tried, mut unchanged) = (0_u64, 0_u64);
        for ((x, f), y) in stream.iter().zip(added).zip(sum) {
            squares += f64::from(*x) * f64::from(*x);
            of_added += f64::from(*f) * f64::from(*f);
            tried += u64::from(*f != 0.0);
            unchanged += u64::from(*f != 0.0 && x == y);
        }
        self.additions.push(Addition {
            name: name.to_owned(),
            ratio: (of_added / squares).sqrt(),
            without_effect: unchanged as f64 / tried.max(1) as f64,
        });
    }

    pub(super) fn take_additions(&mut self) -> Vec<Addition> {
        std::mem::take(&mut self.additions)
    }

    pub(super) fn finish(self) -> Vec<TensorStats> {
        let tensors = self.tensors.into_iter();
        tensors
            .map(|(name, pass, sums)| sums.stats(name, pass))
            .collect()
    }
}

impl Sums {
    fn add(&mut self, values: &[f32]) {
        self.count += values.len() as u64;
        for value in values {
            let size = value.abs();
            self.overflow += u64::from(size.is_nan() || size >= FP16_OVERFLOW);
            if size.is_finite() {
                self.max = self.max.max(size);
                self.squares += f64::from(size) * f64::from(size);
            }
            self.nonzero += u64::from(size > 0.0);
            self.subnormal += u64::from(size > 0.0 && size < FP16_NORMAL);
            self.underflow += u64::from(size > 0.0 && size <= FP16_ZERO);
        }
    }

    fn stats(self, name: String, pass: Pass) -> TensorStats {
        let share = |part: u64| {
            if self.nonzero > 0 {
                part as f64 / self.nonzero as f64
            } else {
                0.0
            }
        };
        TensorStats {
            name,
            pass,
            count: self.count,
            rms: (self.squares / (self.count as f64).max(1.0)).sqrt(),
            max: f64::from(self.max),
            underflow: share(self.underflow),
            subnormal: share(self.subnormal),
            overflow: self.overflow,
            margin: f64::from(FP16_MAX) / f64::from(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_format() {
        let boundary = |value: f32| {
            let mut rounded = [value];
            let count = round_slice(&mut rounded, HalfFormat::Fp16);
            (count.overflow, count.underflow)
        };
        let below = |value: f32| f32::from_bits(value.to_bits() - 1);
        let above = |value: f32| f32::from_bits(value.to_bits() + 1);
        assert_eq!(boundary(FP16_OVERFLOW), (1, 0));
        assert_eq!(boundary(below(FP16_OVERFLOW)), (0, 0));
        assert_eq!(boundary(FP16_ZERO), (0, 1));
        assert_eq!(boundary(above(FP16_ZERO)), (0, 0));
        assert_eq!(FP16_NORMAL, 2.0_f32.powi(-14));
    }

    #[test]
    fn blocks_of_one_tensor_are_counted_together_and_rounded() {
        let mut recorder = Recorder::new(Some(HalfFormat::Fp16));
        let (mut a, mut b) = ([3.0, 1e-9], [70_000.0, 0.0]);
        recorder.store("x", Pass::Forward, &mut a);
        recorder.store("x", Pass::Forward, &mut b);
        assert_eq!((a[1], b[0]), (0.0, f32::INFINITY));
        let stats = recorder.finish();
        assert_eq!(stats.len(), 1);
        assert_eq!((stats[0].count, stats[0].overflow), (4, 1));
        assert!((stats[0].underflow - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(stats[0].max, 70_000.0);
    }
}
