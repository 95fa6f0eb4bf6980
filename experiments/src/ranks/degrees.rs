//! How many ranks there are of each kind, as the command line says it.

/// How ranks divide the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degrees {
    /// Stages, each with some of the layers.
    pub pipeline: usize,
    /// Replicas of a stage, each with some of a step's sequences.
    pub data: usize,
    /// Ranks of a replica, each with some of every matrix.
    pub tensor: usize,
    /// Whether these have also each some of the rows between the branches (arXiv 2205.05198 §4.2.2).
    pub sequence: bool,
}

impl Degrees {
    /// One process.
    pub(crate) const ONE: Self = Self {
        pipeline: 1,
        data: 1,
        tensor: 1,
        sequence: false,
    };

    /// Ranks that it takes.
    #[must_use]
    pub fn ranks(self) -> usize {
        self.of_stage().saturating_mul(self.pipeline)
    }

    /// Ranks of a stage.
    #[must_use]
    pub fn of_stage(self) -> usize {
        self.data.saturating_mul(self.tensor)
    }
}

impl std::fmt::Display for Degrees {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            pipeline,
            data,
            tensor,
            sequence,
        } = self;
        let sequence = if *sequence {
            " --sequence-parallel"
        } else {
            ""
        };
        write!(
            out,
            "--tensor-parallel {tensor}{sequence} --pipeline-parallel {pipeline} --data-parallel {data}"
        )
    }
}

/// Reads what [`Degrees`] are displayed as.
impl std::str::FromStr for Degrees {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut degrees = Self::ONE;
        let mut words = text.split(' ');
        while let Some(word) = words.next() {
            let degree = match word {
                "--sequence-parallel" => {
                    degrees.sequence = true;
                    continue;
                }
                "--tensor-parallel" => &mut degrees.tensor,
                "--pipeline-parallel" => &mut degrees.pipeline,
                "--data-parallel" => &mut degrees.data,
                _ => return Err(()),
            };
            let number = words.next().and_then(|number| number.parse().ok());
            *degree = number.filter(|number| *number > 0).ok_or(())?;
        }
        Ok(degrees)
    }
}
