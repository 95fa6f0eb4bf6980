//! Passes over rows that lie in the cache.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use crate::simd::{LANES, exp, halved, lane_sum, normal, vectorised};

vectorised! {
    /// Adds a vector to every row.
    pub fn add_to_rows(rows: &mut [f32], vector: &[f32]) {
        for row in rows.chunks_exact_mut(vector.len()) {
            for (x, b) in row.iter_mut().zip(vector) {
                *x += b;
            }
        }
    }

    /// Adds every row to a vector.
    pub fn sum_rows(vector: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(vector.len()) {
            for (sum, x) in vector.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }

    /// `out = factor · x`
    pub fn scale_into(out: &mut [f32], x: &[f32], factor: f32) {
        for (y, x) in out.iter_mut().zip(x) {
            *y = factor * x;
        }
    }

    /// `x *= factor`
    pub fn scale(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }

    /// `x += y`
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }

    /// Turns the heads of one row by its angles, head by head in blocks of which element `i` turns with
    /// element `i + w`; `sign` -1 turns back, which is the backward pass.
    ///
    /// # Shapes
    /// - row: `[heads, blocks, 2, w]`, cos and sin: `[blocks, w]`
    pub fn turn(row: &mut [f32], cos: &[f32], sin: &[f32], w: usize, sign: f32) {
        let blocks = cos.len() / w;
        for head in row.chunks_exact_mut(2 * cos.len()) {
            for block in 0..blocks {
                let (from, to) = (block * w, (block + 1) * w);
                let (first, second) = head[2 * from..2 * to].split_at_mut(w);
                turn_pairs(first, second, &cos[from..to], &sin[from..to], sign);
            }
        }
    }

    /// Softmax in place of a row with the maximum `largest`. Returns the sum of `e^(x - largest)`, NaN
    /// where any element is.
    pub fn softmax(row: &mut [f32], largest: f32) -> f32 {
        // A pass for each of the three, or the compiler gives up vector code.
        for x in row.iter_mut() {
            *x = exp(*x - largest);
        }
        let sum = lane_sum([row], |[x]| x);
        for x in row.iter_mut() {
            *x /= sum;
        }
        sum
    }

    /// The largest element; NaN elements may or may not count.
    #[must_use]
    pub fn maximum(row: &[f32]) -> f32 {
        largest(row)
    }

    /// The largest element, NaN where there is one.
    #[must_use]
    pub fn maximum_or_nan(row: &[f32]) -> f32 {
        extreme(row, |x| x)
    }

    /// The largest absolute value, NaN where there is NaN.
    #[must_use]
    pub fn largest_magnitude(row: &[f32]) -> f32 {
        extreme(row, f32::abs)
    }

    /// `x += term`
    pub fn shift(x: &mut [f32], term: f32) {
        for x in x {
            *x += term;
        }
    }

    /// `x /= divisor`
    pub fn divide(x: &mut [f32], divisor: f32) {
        for x in x {
            *x /= divisor;
        }
    }

    /// Sum of all elements.
    #[must_use]
    pub fn sum(x: &[f32]) -> f32 {
        lane_sum([x], |[x]| x)
    }

    /// `e^x` in place for `x` at most 0, down to FP32's subnormal values: what a 16-bit format makes 0 of
    /// counts as lost only where it was not 0 before.
    pub fn exp_small(x: &mut [f32]) {
        for x in x {
            let root = exp(*x * 0.5);
            *x = root * root;
        }
    }

    /// The gradient of a divisor from those `d` of its quotients with `x`: `-Σ x d / square`, its square
    /// given.
    #[must_use]
    pub fn quotient_gradient(x: &[f32], d: &[f32], square: f32) -> f32 {
        lane_sum([x, &d[..x.len()]], |[x, d]| -x / square * d)
    }

    /// `x += factor · |positions - from|`
    pub fn add_distance(x: &mut [f32], positions: &[f32], from: f32, factor: f32) {
        for (x, to) in x.iter_mut().zip(positions) {
            *x += factor * (from - to).abs();
        }
    }

    /// The gradient of scores from that of their softmax `p`, in place, times `factor`:
    /// `dx = factor · p (dp - Σ p dp)`.
    pub fn softmax_backward(p: &[f32], dp: &mut [f32], factor: f32) {
        let p = &p[..dp.len()];
        let along = lane_sum([p, dp], |[p, d]| p * d);
        for (d, p) in dp.iter_mut().zip(p) {
            *d = p * (*d - along) * factor;
        }
    }

    /// GELU and its slope: `y = x Φ(x)`, `slope = Φ(x) + x φ(x)`.
    pub fn gelu_and_slope(x: &[f32], y: &mut [f32], slope: &mut [f32]) {
        let y = &mut y[..x.len()];
        let slope = &mut slope[..x.len()];
        for i in 0..x.len() {
            let (distribution, density) = normal(x[i]);
            y[i] = x[i] * distribution;
            slope[i] = x[i] * density + distribution;
        }
    }

    /// `y = x Φ(x)`
    pub fn gelu(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = x * normal(*x).0;
        }
    }

    /// `x *= y`
    pub fn multiply(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x *= y;
        }
    }

    /// `out = x y`
    pub fn product(out: &mut [f32], x: &[f32], y: &[f32]) {
        for (out, (x, y)) in out.iter_mut().zip(x.iter().zip(y)) {
            *out = x * y;
        }
    }

    /// Maximum of a row and the sum of `e^(x - maximum)`: 0 where that is -inf, NaN where an element is.
    #[must_use]
    pub fn exp_sum(row: &[f32]) -> (f32, f32) {
        let top = largest(row);
        if top == f32::NEG_INFINITY {
            return (top, lane_sum([row], |[x]| if x.is_nan() { x } else { 0.0 }));
        }
        let mut sum = 0.0;
        let mut block = [0.0; 256];
        for row in row.chunks(block.len()) {
            let block = &mut block[..row.len()];
            for (y, x) in block.iter_mut().zip(row) {
                *y = exp(x - top);
            }
            sum += lane_sum([block], |[y]| y);
        }
        (top, sum)
    }

    /// `x = factor · e^(x - shift)`
    pub fn exp_scaled(x: &mut [f32], shift: f32, factor: f32) {
        for x in x {
            *x = factor * exp(*x - shift);
        }
    }
}

/// Turns element `i` of `a` with element `i` of `b`.
#[inline(always)]
fn turn_pairs(a: &mut [f32], b: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks_mut(), b.as_chunks_mut());
    let ((cos, cos_rest), (sin, sin_rest)) = (cos.as_chunks(), sin.as_chunks());
    for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(cos.iter().zip(sin)) {
        turn_block(a, b, cos, sin, sign);
    }
    let pairs = a_rest.iter_mut().zip(b_rest);
    for ((a, b), (cos, sin)) in pairs.zip(cos_rest.iter().zip(sin_rest)) {
        (*a, *b) = turned([*a, *b], [*cos, sign * sin]);
    }
}

/// Reads all before it writes any: the compiler does not know the two blocks apart.
#[inline(always)]
fn turn_block(
    a: &mut [f32; LANES],
    b: &mut [f32; LANES],
    cos: &[f32; LANES],
    sin: &[f32; LANES],
    sign: f32,
) {
    let before = [*a, *b];
    for i in 0..LANES {
        let pair = [before[0][i], before[1][i]];
        (a[i], b[i]) = turned(pair, [cos[i], sign * sin[i]]);
    }
}

/// A pair turned by an angle of which cosine and sine are given.
#[inline(always)]
fn turned([a, b]: [f32; 2], [cos, sin]: [f32; 2]) -> (f32, f32) {
    (a * cos - b * sin, b * cos + a * sin)
}

/// The larger of two values, NaN where either is.
#[inline]
#[must_use]
pub fn larger_or_nan(a: f32, b: f32) -> f32 {
    if b.is_nan() || b > a { b } else { a }
}

/// Copies the rows `indices` of a table, `[n, h]`, into consecutive rows.
///
/// # Panics
/// If an index lies outside the table.
pub fn gather_rows(out: &mut [f32], table: &[f32], indices: &[usize], width: usize) {
    for (row, index) in out.chunks_exact_mut(width).zip(indices) {
        row.copy_from_slice(&table[index * width..(index + 1) * width]);
    }
}

/// Adds consecutive rows to the rows `indices` of a table, in order.
///
/// # Panics
/// If an index lies outside the table.
pub fn scatter_rows(table: &mut [f32], rows: &[f32], indices: &[usize], width: usize) {
    for (row, index) in rows.chunks_exact(width).zip(indices) {
        add(&mut table[index * width..(index + 1) * width], row);
    }
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = larger(*x, *lane);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*x, *lane);
    }
    halved(lanes, larger)
}

/// The largest of `of(x)`, NaN where one is.
#[inline(always)]
fn extreme(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let larger = |a: f32, b: f32| if b.is_nan() || a <= b { b } else { a };
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = larger(of(*x), *lane);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = larger(of(*x), *lane);
    }
    halved(lanes, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FP16 makes 0 of them, and counts a loss where the FP32 value was not 0: from -103.97 on.
    #[test]
    fn small_exponentials_reach_down_to_subnormal_values() {
        let from = |x: i32| 0.01 * x as f32;
        let mut values: Vec<f32> = (-10_390..=0).map(from).collect();
        exp_small(&mut values);
        for (i, y) in values.iter().enumerate() {
            let exact = f64::from(from(i as i32 - 10_390)).exp();
            // Half a subnormal step beside the relative error.
            let bound = exact * 6e-7 + 1e-45;
            assert!(
                *y > 0.0 && (f64::from(*y) - exact).abs() < bound,
                "{y} {exact}"
            );
        }
        let mut edge = [-104.5, f32::NEG_INFINITY, f32::NAN];
        exp_small(&mut edge);
        assert_eq!(edge[..2], [0.0, 0.0]);
        assert!(edge[2].is_nan());
    }

    #[test]
    fn no_maximum_hides_what_is_no_number() {
        // Before and behind the largest, in a block and in the rest.
        for place in [0, 5, 17, 34] {
            let mut row: Vec<f32> = (0..35).map(|i| (i as f32 - 20.0) * 1.5).collect();
            assert_eq!(
                (maximum_or_nan(&row), largest_magnitude(&row)),
                (21.0, 30.0)
            );
            row[place] = f32::NAN;
            assert!(maximum_or_nan(&row).is_nan() && largest_magnitude(&row).is_nan());
        }
    }
}
