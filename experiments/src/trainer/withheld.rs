//! Updates that a fork withholds: the parameters and moments of before are brought back after the update.

use super::step::Trained;
use crate::optimizer::adamw::UpdateReport;
use experiments_config::Config;

/// What a step must not change.
pub(super) struct Withheld(Vec<Tensor>);

struct Tensor {
    /// Place in the table.
    index: usize,
    weights: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Withheld {
    /// Copies it; nothing in a run without `[[withhold]]`.
    pub(super) fn before(config: &Config, trained: &Trained) -> Self {
        let step = trained.state.step + 1;
        let (table, adam) = (trained.parameters.table(), &trained.adam);
        let withheld = table.iter().enumerate();
        let withheld = withheld.filter(|(_, tensor)| config.withholds(step, &tensor.name));
        let copy = |(index, tensor): (usize, &crate::parameters::Parameter)| {
            let range = tensor.range.clone();
            Tensor {
                index,
                weights: trained.parameters.values()[range.clone()].to_vec(),
                first: adam.first[range.clone()].to_vec(),
                second: adam.second[range].to_vec(),
            }
        };
        Self(withheld.map(copy).collect())
    }

    /// Undoes the update, also in what is reported of it.
    pub(super) fn bring_back(self, trained: &mut Trained, reports: &mut [UpdateReport]) {
        for tensor in self.0 {
            let range = trained.parameters.table()[tensor.index].range.clone();
            trained.parameters.values_mut()[range.clone()].copy_from_slice(&tensor.weights);
            trained.adam.first[range.clone()].copy_from_slice(&tensor.first);
            trained.adam.second[range].copy_from_slice(&tensor.second);
            reports[tensor.index].update_squared = 0.0;
        }
    }
}
