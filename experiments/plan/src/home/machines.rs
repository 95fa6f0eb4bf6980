//! Machines that GLM-130B was published to run on, with what was published of them, and two of today.

use serde::Serialize;

/// Cards of one kind in one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// How many.
    pub gpus: u64,
    /// Name in the hardware files.
    pub gpu: &'static str,
}

impl Machine {
    const fn new(gpus: u64, gpu: &'static str) -> Self {
        Self { gpus, gpu }
    }
}

const A100: Machine = Machine::new(8, "a100-40g");
const V100: Machine = Machine::new(8, "v100");
const RTX_3090_8: Machine = Machine::new(8, "rtx-3090");
const RTX_3090_4: Machine = Machine::new(4, "rtx-3090");
const RTX_2080_TI: Machine = Machine::new(8, "rtx-2080-ti");

/// Those of GLM-130B's README, then cards of today: the fewest that hold INT4.
pub(super) const MACHINES: [Machine; 7] = [
    A100,
    V100,
    RTX_3090_8,
    RTX_3090_4,
    RTX_2080_TI,
    Machine::new(3, "rtx-5090"),
    Machine::new(4, "rtx-4090"),
];

/// What GLM-130B's README says of machine and bits (table of hardware). FP16 on eight V100 needs `BMInf`, which keeps part of the
/// weights in the host's memory: it does not fit.
const FITS: [(Machine, u8, bool); 6] = [
    (A100, 16, true),
    (V100, 16, false),
    (V100, 8, true),
    (RTX_3090_8, 8, true),
    (RTX_3090_4, 4, true),
    (RTX_2080_TI, 4, true),
];

/// Seconds that a program took for a token, on average over so many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PublishedTime {
    /// The program.
    pub program: &'static str,
    /// Tokens that were generated.
    pub tokens: u64,
    /// Seconds of all of them.
    pub seconds: f64,
    /// Where it stands.
    pub source: &'static str,
}

impl PublishedTime {
    /// Of one token.
    #[must_use]
    pub fn of_token(&self) -> f64 {
        self.seconds / self.tokens as f64
    }
}

const SAT: &str = "SwissArmyTransformer";
const FASTER: &str = "FasterTransformer";
const QUANTIZATION_PAGE: &str = "GLM-130B, docs/quantization.md";
const INFERENCE_PAGE: &str = "GLM-130B, docs/inference-with-fastertransformer.md, decoding";
const TABLE_9: &str = "arXiv 2210.02414, table 9";

type Time = (Machine, u8, &'static str, u64, f64, &'static str);

const TIMES: [Time; 9] = [
    (A100, 16, SAT, 512, 45.21, QUANTIZATION_PAGE),
    (A100, 16, FASTER, 512, 18.77, TABLE_9),
    (A100, 4, FASTER, 512, 17.7, INFERENCE_PAGE),
    (V100, 8, SAT, 512, 106.35, QUANTIZATION_PAGE),
    (V100, 4, FASTER, 512, 28.1, INFERENCE_PAGE),
    (RTX_3090_4, 4, SAT, 512, 138.66, QUANTIZATION_PAGE),
    (RTX_3090_4, 4, FASTER, 512, 32.3, INFERENCE_PAGE),
    (RTX_2080_TI, 4, SAT, 512, 117.39, QUANTIZATION_PAGE),
    (RTX_2080_TI, 4, FASTER, 512, 27.29, INFERENCE_PAGE),
];

/// Whether it was published to fit.
pub(super) fn published_fit(machine: Machine, bits: u8) -> Option<bool> {
    let mut known = FITS.into_iter();
    let (_, _, fits) = known.find(|known| (known.0, known.1) == (machine, bits))?;
    Some(fits)
}

/// What programs were published to take.
pub(super) fn published_times(machine: Machine, bits: u8) -> Vec<PublishedTime> {
    let own = TIMES.iter();
    let own = own.filter(|time| (time.0, time.1) == (machine, bits));
    let time = |&(_, _, program, tokens, seconds, source): &Time| PublishedTime {
        program,
        tokens,
        seconds,
        source,
    };
    own.map(time).collect()
}
