//! Gradients of a sub-layer's vectors, summed up part by part.

use super::Sublayer;
use kernels::Buffer;
use kernels::slices::rows::add;
use kernels::slices::{Linear, Norm, NormGradient};

/// Sums over a part of the rows for the gradients of the vectors, each empty where the sub-layer has none.
pub(super) struct Vectors {
    pub(super) norm: [Buffer; 2],
    pub(super) out_norm: [Buffer; 2],
    /// Of query and key.
    pub(super) head_norms: [[Buffer; 2]; 2],
    pub(super) biases: [Buffer; 2],
}

/// Where they go.
pub(super) struct Places<'g> {
    pub(super) norm: Option<NormGradient<'g>>,
    pub(super) out_norm: Option<NormGradient<'g>>,
    pub(super) head_norms: Option<[NormGradient<'g>; 2]>,
    pub(super) biases: [Option<&'g mut [f32]>; 2],
}

impl Sublayer<'_> {
    /// Nothing yet of any vector.
    pub(super) fn vectors(&self) -> Vectors {
        let h = self.branch.linears()[0].inputs;
        let width = |norm: Option<&Norm>| norm.map_or(0, |_| h);
        let zeros = |len: usize| [Buffer::zeros(len), Buffer::zeros(len)];
        let head = self.branch.head_norm_width();
        let bias = |linear: &Linear| Buffer::zeros(linear.bias.map_or(0, <[f32]>::len));
        Vectors {
            norm: zeros(width(self.before.as_ref())),
            out_norm: zeros(width(self.after.as_ref())),
            head_norms: [zeros(head), zeros(head)],
            biases: self.branch.linears().map(bias),
        }
    }

    /// # Panics
    /// If a vector has no place for its gradient, or a place has no vector.
    pub(super) fn check_places(&self, places: &Places) {
        assert_eq!(places.norm.is_some(), self.before.is_some());
        assert_eq!(places.out_norm.is_some(), self.after.is_some());
        let has_head_norms = self.branch.head_norm_width() > 0;
        assert_eq!(places.head_norms.is_some(), has_head_norms);
        for (linear, place) in self.branch.linears().iter().zip(&places.biases) {
            assert_eq!(linear.bias.is_some(), place.is_some());
        }
    }
}

impl Places<'_> {
    /// Adds a part's share.
    pub(super) fn add(&mut self, share: &Vectors) {
        let norms = self.norm.iter_mut().zip([&share.norm]);
        let norms = norms.chain(self.out_norm.iter_mut().zip([&share.out_norm]));
        let of_heads = self.head_norms.iter_mut().flatten();
        for (norm, share) in norms.chain(of_heads.zip(&share.head_norms)) {
            add(norm.gamma, &share[0]);
            add(norm.beta, &share[1]);
        }
        for (bias, share) in self.biases.iter_mut().zip(&share.biases) {
            if let Some(bias) = bias {
                add(bias, share);
            }
        }
    }
}
