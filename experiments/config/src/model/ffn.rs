//! Activations of the feed-forward.

use words::named;

/// What an elementwise function is called.
#[derive(Debug, Clone, Copy)]
pub struct FunctionNames {
    /// In papers.
    pub title: &'static str,
    /// In words that tell it from its approximations.
    pub exactly: &'static str,
}

named! {
    /// An elementwise function, under its name in `torch.nn.functional`.
    pub enum Function: FunctionNames {
        /// `x Φ(x)`, exact.
        Gelu = "gelu": FunctionNames { title: "GELU", exactly: "exact GELU" },
    }
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

named! {
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
