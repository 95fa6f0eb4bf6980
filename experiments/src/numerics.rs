//! What a pass and its loss are computed in: roundings to 16 bits, the loss scale, dropout masks.

pub(crate) mod dropout;
pub(crate) mod loss_scaler;
pub(crate) mod precision;
