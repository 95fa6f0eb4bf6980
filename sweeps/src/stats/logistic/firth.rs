//! Logistic regression of one slope by Firth's penalised likelihood.

/// Runs of one dose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::stats) struct Cell {
    /// All runs.
    pub(in crate::stats) runs: u32,
    /// Failed runs.
    pub(in crate::stats) failures: u32,
}

impl Cell {
    pub(super) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.failures += other.failures;
    }
}

/// Slopes per doubling of the dose at or below this are rounding of a flat curve.
const FLAT: f64 = 1e-6;
/// Longest step of a coefficient, as in `logistf`: the quadratic model is poor far away.
const LONGEST_STEP: f64 = 5.0;
/// Steps below this are convergence: 10⁻⁹ of a doubling.
const SHORTEST_STEP: f64 = 1e-9;
/// Most scoring steps; tables of a sweep need five to thirty.
const MOST_STEPS: usize = 100;
/// Relative loss of likelihood that is rounding and no reason to shorten a step.
const ROUNDING: f64 = 1e-13;

/// A fitted curve: the share that fails is a logistic function of the logarithm of the dose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::stats) struct Curve {
    /// Dose at which it is at one half.
    pub(in crate::stats) half: f64,
    /// Log odds for a doubling of the dose; above zero.
    slope: f64,
}

impl Curve {
    /// Share of runs that fail at a dose.
    pub(super) fn share(self, dose: f64) -> f64 {
        1.0 / (1.0 + (-self.slope * (dose / self.half).log2()).exp())
    }
}

/// The fitted curve; absent for a slope that is not positive or when
/// there are fewer than two doses with runs.
///
/// Maximises ℓ(β) + ½ ln det I(β), I the Fisher information, by scoring steps I⁻¹U* on Firth's
/// modified score U*ᵣ = Σ (y − π + h(½ − π)) xᵣ, h the leverage (Heinze & Schemper 2002, §2),
/// halved while they do not raise it. The Jeffreys prior keeps the maximum finite for separated
/// data.
pub(super) fn fit(doses: &[f64], cells: &[Cell]) -> Option<Curve> {
    let used = || doses.iter().zip(cells).filter(|(_, cell)| cell.runs > 0);
    let runs: f64 = cells.iter().map(|cell| f64::from(cell.runs)).sum();
    // Centred, so that the information matrix is well conditioned.
    let centre = used()
        .map(|(dose, cell)| dose.log2() * f64::from(cell.runs))
        .sum::<f64>()
        / runs;
    let points: Vec<(f64, Cell)> = used().map(|(dose, c)| (dose.log2() - centre, *c)).collect();
    if points.len() < 2 {
        return None;
    }
    let (mut at, mut here) = ([0.0; 2], Local::of(&points, [0.0; 2]));
    for _ in 0..MOST_STEPS {
        let length = here.step[0].abs().max(here.step[1].abs());
        if length < SHORTEST_STEP {
            break;
        }
        let mut scale = (LONGEST_STEP / length).min(1.0);
        loop {
            let tried = [at[0] + scale * here.step[0], at[1] + scale * here.step[1]];
            let there = Local::of(&points, tried);
            let enough = here.likelihood - ROUNDING * here.likelihood.abs();
            if there.likelihood >= enough || scale * length < SHORTEST_STEP {
                (at, here) = (tried, there);
                break;
            }
            scale /= 2.0;
        }
    }
    (at[1] > FLAT).then(|| Curve {
        half: (centre - at[0] / at[1]).exp2(),
        slope: at[1],
    })
}

/// Penalised log-likelihood at some coefficients, and the scoring step from there.
struct Local {
    likelihood: f64,
    step: [f64; 2],
}

impl Local {
    fn of(points: &[(f64, Cell)], [intercept, slope]: [f64; 2]) -> Self {
        let share = |x: f64| 1.0 / (1.0 + (-intercept - slope * x).exp());
        let (mut likelihood, mut a, mut b, mut c) = (0.0, 0.0, 0.0, 0.0);
        for (x, cell) in points {
            let (runs, failures) = (f64::from(cell.runs), f64::from(cell.failures));
            let odds = intercept + slope * x;
            // ln(1 + e^odds) without overflow.
            let softplus = odds.max(0.0) + (-odds.abs()).exp().ln_1p();
            likelihood += failures * odds - runs * softplus;
            let weight = runs * share(*x) * (1.0 - share(*x));
            a += weight;
            b += weight * x;
            c += weight * x * x;
        }
        let determinant = a * c - b * b;
        let mut score = [0.0; 2];
        for (x, cell) in points {
            let (runs, failures) = (f64::from(cell.runs), f64::from(cell.failures));
            let share = share(*x);
            let weight = runs * share * (1.0 - share);
            let leverage = weight * (c - 2.0 * b * x + a * x * x) / determinant;
            let residual = failures - runs * share + leverage * (0.5 - share);
            score[0] += residual;
            score[1] += residual * x;
        }
        Self {
            // A determinant that underflows to 0 gives −∞, which no step accepts.
            likelihood: likelihood + 0.5 * determinant.max(0.0).ln(),
            step: [
                (c * score[0] - b * score[1]) / determinant,
                (a * score[1] - b * score[0]) / determinant,
            ],
        }
    }
}
