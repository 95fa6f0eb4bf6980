//! Energy and carbon dioxide of a run.

use crate::PlanError;
use serde::{Deserialize, Serialize};

/// What is assumed about power and its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnergyOptions {
    /// Watts of one GPU and its share of the machine; absent takes the GPU's TDP.
    pub watts_per_gpu: Option<f64>,
    /// Power usage effectiveness of the data centre. GLM-130B's 442.4 `MWh` are 768 GPUs at 400 W
    /// (TDP) over 60 days with 1.0: neither hosts nor cooling are in it. That this is how the
    /// paper counted is our inference.
    pub pue: f64,
    /// Kilograms of CO₂ equivalent per kilowatt-hour (arXiv 2210.02414 appendix H: 0.5810).
    pub kg_per_kwh: f64,
}

impl Default for EnergyOptions {
    fn default() -> Self {
        Self {
            watts_per_gpu: None,
            pue: 1.0,
            kg_per_kwh: 0.581,
        }
    }
}

/// Energy of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Energy {
    /// Days.
    pub days: f64,
    /// Watts per GPU.
    pub watts_per_gpu: f64,
    /// Power usage effectiveness.
    pub pue: f64,
    /// Megawatt-hours.
    pub mwh: f64,
    /// Tonnes of CO₂ equivalent.
    pub tonnes: f64,
}

/// Energy of `gpus` GPUs over `days`.
pub fn energy(
    options: &EnergyOptions,
    tdp_watts: f64,
    gpus: u64,
    days: f64,
) -> Result<Energy, PlanError> {
    let watts_per_gpu = options.watts_per_gpu.unwrap_or(tdp_watts);
    let checks = [
        ("watts_per_gpu", watts_per_gpu, 0.0),
        ("pue", options.pue, 1.0),
        ("kg_per_kwh", options.kg_per_kwh, 0.0),
        ("days", days, 0.0),
    ];
    for (what, value, least) in checks {
        if !(value.is_finite() && value >= least) {
            return Err(PlanError::Size {
                what: what.to_owned(),
                value: value.to_string(),
                expected: format!("must be a finite number, at least {least}"),
            });
        }
    }
    let mwh = watts_per_gpu * gpus as f64 * days * 24.0 * options.pue / 1e6;
    Ok(Energy {
        days,
        watts_per_gpu,
        pue: options.pue,
        mwh,
        tonnes: mwh * options.kg_per_kwh,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published pair (442.4 `MWh`, 257.01 t) comes out of TDP, 60 days and nothing else.
    #[test]
    fn glm_130b() {
        let found = energy(&EnergyOptions::default(), 400.0, 768, 60.0).unwrap();
        assert!((found.mwh - 442.4).abs() < 0.05, "{}", found.mwh);
        assert!((found.tonnes - 257.01).abs() < 0.01, "{}", found.tonnes);
    }

    /// Nonsense is refused by name.
    #[test]
    fn nonsense_is_refused() {
        let options = EnergyOptions {
            pue: 0.5,
            ..EnergyOptions::default()
        };
        let error = energy(&options, 400.0, 1, 1.0).unwrap_err().to_string();
        assert!(error.contains("pue"), "{error}");
        assert!(energy(&EnergyOptions::default(), f64::NAN, 1, 1.0).is_err());
    }
}
