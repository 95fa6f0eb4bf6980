//! Norm arrangements: where layer norm sits and how the residual is weighted. DeepNorm's two coefficients
//! live here.

use std::mem::discriminant;
use words::named;

/// What a residual connection carries past a sub-layer f, and which norms stand around f.
#[derive(Debug, Clone, Copy)]
pub enum Residual {
    /// The output of the norm that f reads: `y = LN(x)`, `x ← αy + f(y)`. This is Post-LN, `LN(αx + f(x))`,
    /// shifted by one as GLM-130B has it: the next norm closes this residual, a final norm the last one.
    Norm {
        /// Weight α of the residual.
        alpha: Coefficient,
    },
    /// The stream itself: `x ← x + f(x)`.
    Stream {
        /// f reads `LN(x)`.
        before: bool,
        /// `LN(f)` is added.
        after: bool,
    },
}

/// A function of the number of layers N.
#[derive(Debug, Clone, Copy)]
pub struct Coefficient {
    /// The function in words, `(2N)^½`.
    pub words: &'static str,
    of: fn(f64) -> f64,
}

impl Coefficient {
    const ONE: Self = Self::new("1", |_| 1.0);

    const fn new(words: &'static str, of: fn(f64) -> f64) -> Self {
        Self { words, of }
    }

    /// Its value for a model of `layers` layers.
    #[must_use]
    pub fn at(self, layers: usize) -> f64 {
        (self.of)(layers as f64)
    }
}

/// One norm arrangement.
#[derive(Debug, Clone, Copy)]
pub struct NormArrangement {
    /// Norms and residual of a sub-layer.
    pub residual: Residual,
    /// Xavier-normal gain β of the value, attention-output and feed-forward matrices (query and key keep
    /// gain 1).
    pub gain: Coefficient,
    /// What papers call it.
    pub title: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

impl NormArrangement {
    /// Gain 1. A sub-layer without any norm does not compile.
    const fn stream([before, after]: [bool; 2], title: &'static str, source: &'static str) -> Self {
        assert!(before || after, "an arrangement has a norm");
        Self {
            residual: Residual::Stream { before, after },
            gain: Coefficient::ONE,
            title,
            source,
        }
    }
}

named! {
    /// Where layer norm sits and how the residual is weighted.
    pub enum Norm: NormArrangement {
        /// Post-LN, `LN(x + f(x))`.
        Post = "post": NormArrangement {
            residual: Residual::Norm { alpha: Coefficient::ONE },
            gain: Coefficient::ONE,
            title: "Post-LN",
            source: "",
        },
        /// Pre-LN, `x + f(LN(x))`.
        Pre = "pre": NormArrangement::stream([true, false], "Pre-LN", ""),
        /// Sandwich-LN, `x + LN(f(LN(x)))` (CogView).
        Sandwich = "sandwich": NormArrangement::stream(
            [true, true], "Sandwich-LN", "CogView, arXiv 2105.13290",
        ),
        /// `DeepNet`, `LN(αx + f(x))`.
        Deepnorm = "deepnorm": NormArrangement {
            residual: Residual::Norm {
                alpha: Coefficient::new("(2N)^¼", |n| (2.0 * n).powf(0.25)),
            },
            gain: Coefficient::new("(8N)^-¼", |n| (8.0 * n).powf(-0.25)),
            title: "DeepNorm",
            source: "DeepNet, arXiv 2203.00555 §4.3, decoder-only",
        },
        /// GLM-130B, `LN(αx + f(x))` with coefficients of its own.
        DeepnormGlm = "deepnorm_glm": NormArrangement {
            residual: Residual::Norm {
                alpha: Coefficient::new("(2N)^½", |n| (2.0 * n).sqrt()),
            },
            gain: Coefficient::new("(2N)^-½", |n| (2.0 * n).sqrt().recip()),
            title: "DeepNorm",
            source: "GLM §2.1",
        },
        /// The reordered norm of OLMo 2, `x + LN(f(x))`.
        Reordered = "reordered": NormArrangement::stream(
            [false, true], "Reordered norm", "OLMo 2, arXiv 2501.00656 §3.3",
        ),
    }
}

impl Norm {
    /// Weight α of the residual branch; 1 where the stream goes on as it is.
    #[must_use]
    pub fn alpha(self, layers: usize) -> f64 {
        match self.row().residual {
            Residual::Norm { alpha } => alpha.at(layers),
            Residual::Stream { .. } => 1.0,
        }
    }

    /// Gain β of the value, attention-output and feed-forward matrices.
    #[must_use]
    pub fn gain(self, layers: usize) -> f64 {
        self.row().gain.at(layers)
    }

    /// Whether a sub-layer reads a norm's output.
    #[must_use]
    pub fn is_before(self) -> bool {
        match self.row().residual {
            Residual::Norm { .. } => true,
            Residual::Stream { before, .. } => before,
        }
    }

    /// Whether a norm stands between a sub-layer and the residual sum.
    #[must_use]
    pub fn is_after(self) -> bool {
        match self.row().residual {
            Residual::Norm { .. } => false,
            Residual::Stream { after, .. } => after,
        }
    }

    /// Norms of a layer, which has two sub-layers.
    #[must_use]
    pub fn per_layer(self) -> u64 {
        2 * (u64::from(self.is_before()) + u64::from(self.is_after()))
    }

    /// One sub-layer f as it is computed: `x ← x + f(LN(x))`.
    #[must_use]
    pub fn formula(self) -> String {
        match self.row().residual {
            Residual::Norm { alpha } => {
                let weight = if alpha.words == Coefficient::ONE.words {
                    ""
                } else {
                    "α"
                };
                format!("y = LN(x), x ← {weight}y + f(y)")
            }
            Residual::Stream { before, after } => {
                let read = if before { "LN(x)" } else { "x" };
                let added = if after {
                    format!("LN(f({read}))")
                } else {
                    format!("f({read})")
                };
                format!("x ← x + {added}")
            }
        }
    }

    /// The first arrangement with the same operations: α is a number, the place of a norm is not.
    #[must_use]
    pub(crate) fn same_graph(self) -> Self {
        let is_same = |other: &Self| {
            discriminant(&other.row().residual) == discriminant(&self.row().residual)
                && (other.is_before(), other.is_after()) == (self.is_before(), self.is_after())
        };
        Self::ALL.into_iter().find(is_same).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs and caches of earlier versions are found by these.
    #[test]
    fn arrangements_that_differ_in_a_coefficient_share_a_graph() {
        let graphs = Norm::ALL.map(|norm| norm.same_graph().name());
        assert_eq!(graphs[..5], ["post", "pre", "sandwich", "post", "post"]);
    }

    #[test]
    fn norms_are_counted() {
        let counts = Norm::ALL.map(Norm::per_layer);
        assert_eq!(counts[..5], [2, 2, 4, 2, 2]);
    }
}
