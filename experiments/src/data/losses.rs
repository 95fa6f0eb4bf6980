//! Means of losses.

/// A running mean.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    /// Takes in a value.
    pub(crate) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean of one value.
    #[must_use]
    pub(crate) fn of(value: f64) -> Self {
        Self {
            sum: value,
            count: 1,
        }
    }

    /// Takes in another mean's values.
    pub(crate) fn join(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Sum and count, as another rank is told them.
    fn numbers(self) -> [f64; 2] {
        [self.sum, self.count as f64]
    }

    fn told([sum, count]: [f64; 2]) -> Self {
        Self {
            sum,
            count: count as u64,
        }
    }

    /// The mean; absent without values.
    #[must_use]
    pub(crate) fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Loss over sequences, in nats per target token.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Losses {
    /// All sequences.
    pub(crate) all: Mean,
    /// \[gMASK\] sequences.
    pub(crate) gmask: Mean,
    /// \[MASK\] sequences.
    pub(crate) mask: Mean,
    /// Task sequences.
    pub(crate) task: Mean,
    /// The z-loss of every micro-batch, where there is one; not part of the others.
    pub(crate) z_loss: Mean,
}

impl Losses {
    /// Takes in another batch's losses.
    pub(crate) fn join(&mut self, other: &Self) {
        self.all.join(other.all);
        self.gmask.join(other.gmask);
        self.mask.join(other.mask);
        self.task.join(other.task);
        self.z_loss.join(other.z_loss);
    }

    /// As another rank is told them.
    pub(crate) fn numbers(&self) -> [f64; 10] {
        let Self {
            all,
            gmask,
            mask,
            task,
            z_loss,
        } = self;
        let means = [all, gmask, mask, task, z_loss].map(|mean| mean.numbers());
        std::array::from_fn(|i| means[i / 2][i % 2])
    }

    /// From [`Self::numbers`].
    pub(crate) fn told(numbers: [f64; 10]) -> Self {
        let mean = |i: usize| Mean::told([numbers[2 * i], numbers[2 * i + 1]]);
        Self {
            all: mean(0),
            gmask: mean(1),
            mask: mean(2),
            task: mean(3),
            z_loss: mean(4),
        }
    }
}
