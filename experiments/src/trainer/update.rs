//! Clipping and the optimiser's update.

use super::withheld::Withheld;
use crate::array::Gradient;
use crate::optimizer::adamw::{UpdateReport, UpdateRule};
use crate::optimizer::clipping::Clip;
use crate::pass::Setting;
use crate::state::Trained;
use crate::trainer::signals::GradientNorms;

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
    setting: &Setting,
    trained: &mut Trained,
    gradient: &Gradient,
    norms: &GradientNorms,
    loss: f64,
    lr: f64,
) -> Result<Update, Skip> {
    let global = norms.global();
    if !global.is_finite() {
        return Err(Skip::Nonfinite);
    }
    let config = setting.config;
    let optimizer = &config.optimizer;
    if trained.state.skip_step.observe(optimizer, loss, global) {
        return Err(Skip::Outlier);
    }
    let norms = norms.per_parameter();
    let clipper = &mut trained.state.clipper;
    let clip = clipper.coefficients(optimizer.clip_grad, global, &norms);
    let kept = Withheld::before(config, trained);
    let count = trained.parameters.table().len();
    let clips: Vec<f32> = (0..count).map(|i| clip.of(i) as f32).collect();
    let rule = UpdateRule {
        config: optimizer,
        lr,
        clips: &clips,
    };
    let (adam, parameters) = (&mut trained.adam, &mut trained.parameters);
    let arithmetic = setting.engine.arithmetic();
    let mut reports = arithmetic.update(adam, parameters, gradient, rule);
    kept.bring_back(trained, &mut reports);
    Ok(Update {
        coefficient: clip.overall(&norms),
        clip,
        reports,
    })
}
