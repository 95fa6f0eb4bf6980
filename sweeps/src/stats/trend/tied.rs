//! Jonckheere's statistic over all arrangements of values some of which tie.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Most cells (counts per group × values of J) for which every arrangement is counted.
const MOST_CELLS: usize = 300_000;
/// Arrangements drawn beyond.
const DRAWS: u32 = 100_000;
/// Seed of those draws: the same values give the same p on every machine.
const SEED: u64 = 1954;

/// P(J ≥ `statistic`) and P(J ≤ `statistic`) without a trend, given how often each value occurs
/// (`ties`, in ascending order of the values) and how many values each group has.
pub(super) fn tails(sizes: &[usize], ties: &[usize], statistic: f64) -> (f64, f64) {
    // Ties count half, so twice J is a whole number.
    let at = (2.0 * statistic).round() as usize;
    if cells(sizes) <= MOST_CELLS {
        counted(sizes, ties, at)
    } else {
        drawn(sizes, ties, at)
    }
}

fn cells(sizes: &[usize]) -> usize {
    let states = sizes
        .iter()
        .fold(1_usize, |states, size| states.saturating_mul(size + 1));
    states.saturating_mul(largest(sizes) + 1)
}

/// Twice the largest J.
fn largest(sizes: &[usize]) -> usize {
    let total: usize = sizes.iter().sum();
    total * total - sizes.iter().map(|n| n * n).sum::<usize>()
}

/// From the smallest value up: how many values every group has so far, and for each of these the
/// number of arrangements that have added every amount to 2J.
fn counted(sizes: &[usize], ties: &[usize], at: usize) -> (f64, f64) {
    let mut states = BTreeMap::from([(vec![0; sizes.len()], vec![1.0])]);
    for tie in ties {
        let mut next: BTreeMap<Vec<usize>, Vec<f64>> = BTreeMap::new();
        for (before, weights) in &states {
            split(*tie, sizes, before, &mut Vec::new(), &mut |parts| {
                let (ways, gain) = (multinomial(parts), gain(before, parts));
                let after = before.iter().zip(parts).map(|(a, b)| a + b).collect();
                let sums = next.entry(after).or_default();
                if sums.len() < weights.len() + gain {
                    sums.resize(weights.len() + gain, 0.0);
                }
                for (sum, weight) in sums[gain..].iter_mut().zip(weights) {
                    *sum += ways * weight;
                }
            });
        }
        states = next;
    }
    // All values are placed in one way: every group is full.
    let weights = states.into_values().next().unwrap_or_default();
    let total: f64 = weights.iter().sum();
    let from = at.min(weights.len());
    let beyond = (at + 1).min(weights.len());
    let sum = |part: &[f64]| part.iter().sum::<f64>() / total;
    (sum(&weights[from..]), sum(&weights[..beyond]))
}

/// Calls `found` with every way to give `count` equal values to the groups that still have room.
fn split(
    count: usize,
    sizes: &[usize],
    before: &[usize],
    parts: &mut Vec<usize>,
    found: &mut impl FnMut(&[usize]),
) {
    let group = parts.len();
    if group == sizes.len() {
        if count == 0 {
            found(parts);
        }
        return;
    }
    for part in 0..=count.min(sizes[group] - before[group]) {
        parts.push(part);
        split(count - part, sizes, before, parts, found);
        parts.pop();
    }
}

/// Ways to choose which of the values go where.
fn multinomial(parts: &[usize]) -> f64 {
    let (mut ways, mut before) = (1.0, 0);
    for part in parts {
        for i in 1..=*part {
            ways *= (before + i) as f64 / i as f64;
        }
        before += part;
    }
    ways
}

/// What equal values add to 2J: two for each smaller value in an earlier group, one for each of
/// themselves in an earlier group.
fn gain(before: &[usize], parts: &[usize]) -> usize {
    let (mut smaller, mut equal, mut gain) = (0, 0, 0);
    for (count, part) in before.iter().zip(parts) {
        gain += part * (2 * smaller + equal);
        smaller += count;
        equal += part;
    }
    gain
}

fn drawn(sizes: &[usize], ties: &[usize], at: usize) -> (f64, f64) {
    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    let mut groups: Vec<usize> = (0..sizes.len())
        .flat_map(|group| std::iter::repeat_n(group, sizes[group]))
        .collect();
    let (mut up, mut down) = (1_u32, 1_u32);
    for _ in 0..DRAWS {
        groups.shuffle(&mut generator);
        let found = twice(&groups, ties, sizes.len());
        up += u32::from(found >= at);
        down += u32::from(found <= at);
    }
    let share = |count| f64::from(count) / (f64::from(DRAWS) + 1.0);
    (share(up), share(down))
}

/// 2J of values in ascending order, each in one of `count` groups.
fn twice(groups: &[usize], ties: &[usize], count: usize) -> usize {
    let (mut before, mut parts) = (vec![0; count], vec![0; count]);
    let (mut sum, mut rest) = (0, groups);
    for tie in ties {
        let (equal, larger) = rest.split_at(*tie);
        parts.fill(0);
        for group in equal {
            parts[*group] += 1;
        }
        sum += gain(&before, &parts);
        for (count, part) in before.iter_mut().zip(&parts) {
            *count += part;
        }
        rest = larger;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::jonckheere;
    use crate::stats::trend::distribution;

    /// All arrangements of 0, 0, 1 | 1, 1, 2 | 1, 2, 2 and of 0, 0, 0, 1 | 0, 1, enumerated in
    /// Python.
    #[test]
    fn counted_tails_agree_with_an_enumeration() {
        let cases = [
            (
                &[3, 3, 3][..],
                &[2, 4, 3][..],
                22.5,
                52.0 / 1680.0,
                1676.0 / 1680.0,
            ),
            (&[4, 2], &[4, 2], 5.0, 9.0 / 15.0, 14.0 / 15.0),
        ];
        for (sizes, ties, statistic, up, down) in cases {
            let found = tails(sizes, ties, statistic);
            assert!((found.0 - up).abs() < 1e-12, "{found:?}");
            assert!((found.1 - down).abs() < 1e-12, "{found:?}");
        }
    }

    /// Five standard errors of 100,000 draws.
    #[test]
    fn drawn_tails_agree_with_counted_ones() {
        let (sizes, ties) = ([5, 4, 6], [4, 6, 1, 4]);
        for at in [40, 74, 90] {
            let (counted, drawn) = (counted(&sizes, &ties, at), drawn(&sizes, &ties, at));
            for (counted, drawn) in [(counted.0, drawn.0), (counted.1, drawn.1)] {
                let error = (counted * (1.0 - counted) / f64::from(DRAWS)).sqrt();
                let near = (counted - drawn).abs() < 5.0 * error + 2e-5;
                assert!(near, "{counted} {drawn}");
            }
        }
    }

    #[test]
    fn without_ties_it_is_the_distribution_of_ranks() {
        let sizes = [3, 2, 4];
        let shares = distribution(&sizes).unwrap();
        for j in 0..shares.len() {
            let found = counted(&sizes, &[1; 9], 2 * j);
            assert!((found.0 - shares[j..].iter().sum::<f64>()).abs() < 1e-12);
            assert!((found.1 - shares[..=j].iter().sum::<f64>()).abs() < 1e-12);
        }
    }

    /// Every way to give groups of these sizes zeros and ones.
    fn arrangements(sizes: &[usize], ones: usize) -> Vec<Vec<Vec<f64>>> {
        let total: usize = sizes.iter().sum();
        let all = (0_u32..1 << total).filter(|bits| bits.count_ones() as usize == ones);
        all.map(|bits| {
            let mut values = (0..total).map(|i| f64::from(bits >> i & 1));
            let groups = sizes.iter().map(|n| values.by_ref().take(*n).collect());
            groups.collect()
        })
        .collect()
    }

    /// With the normal approximation these have sizes of 0.067 to 0.1 at 0.05, by enumeration in
    /// Python.
    #[test]
    fn tiny_tied_groups_keep_the_level() {
        for (sizes, ones) in [
            (&[2, 2, 2][..], 3),
            (&[2, 2, 2], 2),
            (&[3, 3, 3], 7),
            (&[2, 2, 2, 2], 4),
            (&[4, 4], 5),
        ] {
            let all = arrangements(sizes, ones);
            let found: Vec<_> = all.iter().map(|groups| jonckheere(groups)).collect();
            for alpha in [0.02, 0.05, 0.1] {
                let share = |p: fn(&crate::stats::Trend) -> f64| {
                    let small = found.iter().filter(|trend| p(trend) <= alpha).count();
                    small as f64 / found.len() as f64
                };
                let sizes = [share(|t| t.p_increasing), share(|t| t.p_decreasing)];
                assert!(sizes.iter().all(|size| *size <= alpha + 1e-12), "{sizes:?}");
            }
        }
    }
}
