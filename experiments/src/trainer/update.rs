//! Clipping and the optimiser's update.

use super::withheld::Withheld;
use crate::optimizer::adamw::UpdateReport;
use crate::optimizer::clipping::Clip;
use crate::state::Trained;
use crate::trainer::signals::GradientNorms;
use experiments_config::Config;

/// Why a step did not update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// A gradient is not finite.
    Nonfinite,
    /// Loss or gradient norm lies far above the last steps' (`optimizer.skip_step_sigma`).
    Outlier,
}

/// An update that was made.
pub(crate) struct Update {
    pub(crate) clip: Clip,
    /// One number for [`Update::clip`].
    pub(crate) coefficient: f64,
    /// One per parameter.
    pub(crate) reports: Vec<UpdateReport>,
}

/// Clips and updates. A gradient that is not finite updates nothing, nor does an outlier where
/// those are skipped.
pub(crate) fn update(
    config: &Config,
    trained: &mut Trained,
    gradient: &[f32],
    norms: &GradientNorms,
    loss: f64,
    lr: f64,
) -> Result<Update, Skip> {
    let global = norms.global();
    if !global.is_finite() {
        return Err(Skip::Nonfinite);
    }
    let optimizer = &config.optimizer;
    if trained.state.skip_step.observe(optimizer, loss, global) {
        return Err(Skip::Outlier);
    }
    let norms = norms.per_parameter();
    let clipper = &mut trained.state.clipper;
    let clip = clipper.coefficients(optimizer.clip_grad, global, &norms);
    let kept = Withheld::before(config, trained);
    let (table, weights) = trained.parameters.split_mut();
    let clips: Vec<f32> = (0..table.len()).map(|i| clip.of(i) as f32).collect();
    let mut reports = trained
        .adam
        .update(optimizer, table, weights, gradient, &clips, lr);
    kept.bring_back(trained, &mut reports);
    Ok(Update {
        coefficient: clip.overall(&norms),
        clip,
        reports,
    })
}
