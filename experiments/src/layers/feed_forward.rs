//! Feed-forward: two linear maps with an activation between them.
//!
//! With a gate `FFN(x) = (x₁ ⊙ φ(x₂)) W_down`, `[x₁, x₂] = x W_up` (arXiv 2002.05202 by way of 2210.02414 eq. 4): it is
//! the *second* half that goes through the function (`LargeScale` `glu_activations.py`). Without,
//! `FFN(x) = φ(x W_up) W_down`.

mod function;
pub(crate) mod graph;
pub(crate) mod host;
#[cfg(test)]
mod tests;
