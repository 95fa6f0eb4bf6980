//! Activations of the feed-forward.

use super::choice::choice;

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `x Φ(x)`, exact.
    Gelu,
}

/// What stands between both matrices of the feed-forward.
#[derive(Debug, Clone, Copy)]
pub struct Activation {
    /// `x₁ ⊙ function(x₂)` with `[x₁, x₂] = x W_up` (arXiv 2002.05202) instead of `function(x W_up)`.
    pub is_gated: bool,
    /// The function.
    pub function: Function,
    /// What papers call it.
    pub title: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

impl Activation {
    /// Values of the first matrix's output that make one of the second's input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        if self.is_gated { 2 } else { 1 }
    }
}

choice! {
    /// The feed-forward's activation.
    pub enum Ffn: Activation {
        /// Gated, `x₁ ⊙ GELU(x₂)`: GLM-130B.
        Geglu = "geglu": Activation {
            is_gated: true,
            function: Function::Gelu,
            title: "GeGLU",
            source: "arXiv 2002.05202; GLM eq. 4",
        },
        /// Plain `GELU(x)`.
        Gelu = "gelu": Activation {
            is_gated: false,
            function: Function::Gelu,
            title: "GELU",
            source: "arXiv 1606.08415",
        },
    }
}
