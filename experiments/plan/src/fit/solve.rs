//! Robust least squares with what is believed beforehand (Levenberg-Marquardt on the logarithms of the
//! coefficients).

use crate::step_time::{Coefficient, Coefficients};

/// Coefficients.
const N: usize = Coefficient::ALL.len();
/// What an error of a step counts in: 6 %.
const SCALE: f64 = 0.06;
const MOST_ROUNDS: usize = 60;
/// Step of the difference quotients.
const STEP: f64 = 1e-4;

/// The coefficients with the least sum of ρ(w log(predicted/published)) over rows, ρ growing like the square for
/// small errors and linearly for large ones, plus what leaving the beliefs costs. `errors` gives the
/// logarithms of predicted over published, a weight each.
pub(super) fn solve<E>(
    weights: &[f64],
    errors: impl Fn(&Coefficients) -> Result<Vec<f64>, E>,
) -> Result<Coefficients, E> {
    let belief = Coefficient::ALL.map(|one| one.row().value.ln());
    let strength = Coefficient::ALL.map(|one| one.row().strength);
    let mut x = belief;
    let residuals = |x: &[f64; N]| -> Result<Vec<f64>, E> {
        let errors = errors(&Coefficients::new(x.map(f64::exp)))?;
        Ok(errors
            .iter()
            .zip(weights)
            .map(|(error, weight)| weight * error / SCALE)
            .collect())
    };
    let cost = |r: &[f64], x: &[f64; N]| {
        let rows: f64 = r.iter().map(|r| 2.0 * ((1.0 + r * r).sqrt() - 1.0)).sum();
        rows + (0..N)
            .map(|i| (strength[i] * (x[i] - belief[i])).powi(2))
            .sum::<f64>()
    };
    let mut r = residuals(&x)?;
    let mut damping = 1e-2;
    for _ in 0..MOST_ROUNDS {
        let mut jacobian = Vec::with_capacity(N);
        for i in 0..N {
            let mut moved = x;
            moved[i] += STEP;
            jacobian.push(
                residuals(&moved)?
                    .iter()
                    .zip(&r)
                    .map(|(a, b)| (a - b) / STEP)
                    .collect::<Vec<_>>(),
            );
        }
        let before = cost(&r, &x);
        let mut better = None;
        for _ in 0..12 {
            let mut next = x;
            for (value, change) in next
                .iter_mut()
                .zip(change(&jacobian, &r, &x, &belief, &strength, damping))
            {
                *value += change.clamp(-1.0, 1.0);
            }
            clamp(&mut next, f64::ln);
            let found = residuals(&next)?;
            if cost(&found, &next) < before {
                better = Some((next, found));
                damping = (damping / 4.0).max(1e-9);
                break;
            }
            damping *= 4.0;
        }
        let Some((next, found)) = better else { break };
        let gained = before - cost(&found, &next);
        (x, r) = (next, found);
        if gained < 1e-7 * before {
            break;
        }
    }
    // Within the range in spite of rounding.
    let mut values = x.map(f64::exp);
    clamp(&mut values, |end| end);
    Ok(Coefficients::new(values))
}

/// Keeps each value within what is possible, whose ends are on the scale that `on` makes.
fn clamp(values: &mut [f64; N], on: impl Fn(f64) -> f64) {
    for (value, one) in values.iter_mut().zip(Coefficient::ALL) {
        let (low, high) = one.row().range;
        *value = value.clamp(on(low), on(high));
    }
}

/// The damped normal equations, each row weighted by how much of its square ρ counts.
fn change(
    jacobian: &[Vec<f64>],
    r: &[f64],
    x: &[f64; N],
    belief: &[f64; N],
    strength: &[f64; N],
    damping: f64,
) -> [f64; N] {
    let weight: Vec<f64> = r.iter().map(|r| (1.0 + r * r).sqrt().recip()).collect();
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for i in 0..N {
        for j in 0..N {
            let terms = jacobian[i].iter().zip(&jacobian[j]).zip(&weight);
            matrix[i][j] = terms.map(|((a, b), w)| a * b * w).sum();
        }
        let terms = jacobian[i].iter().zip(r).zip(&weight);
        right[i] = -terms.map(|((a, r), w)| a * r * w).sum::<f64>();
        let square = strength[i] * strength[i];
        matrix[i][i] += square;
        right[i] -= square * (x[i] - belief[i]);
        matrix[i][i] += damping * (matrix[i][i] + 1e-12);
    }
    eliminate(matrix, right)
}

/// Solves a symmetric positive definite system, which needs no pivots.
fn eliminate(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for j in i + 1..N {
            let factor = matrix[j][i] / matrix[i][i];
            let (above, below) = matrix.split_at_mut(j);
            for (value, pivot) in below[0].iter_mut().zip(above[i]).skip(i) {
                *value -= factor * pivot;
            }
            right[j] -= factor * right[i];
        }
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - known) / matrix[i][i];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where rows say nothing, beliefs stay; where they do, they win, and one absurd row changes little.
    #[test]
    fn rows_move_what_they_speak_of() {
        let truth = 2.4_f64.ln();
        let at = Coefficient::Elementwise as usize;
        let errors = |c: &Coefficients| -> Result<Vec<f64>, ()> {
            let off = c.of(Coefficient::ALL[at]).ln() - truth;
            Ok((0..40)
                .map(|row| if row == 7 { off + 3.0 } else { off })
                .collect())
        };
        let found = solve(&[1.0; 40], errors).unwrap();
        assert!(
            (found.of(Coefficient::Elementwise) / 2.4 - 1.0).abs() < 0.01,
            "{found:?}"
        );
        assert!((found.of(Coefficient::Scores) - Coefficient::Scores.row().value).abs() < 1e-9);
    }
}
