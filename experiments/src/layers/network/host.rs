//! On slices.

use crate::layers::attention::host::Attention;
use crate::layers::context::host::Context;
use crate::layers::feed_forward::host::FeedForward;
use crate::layers::residual::host::Sublayer;
use crate::layers::residual::{ATTENTION, FEED_FORWARD};
use std::ops::Range;

/// All sub-layers of some layers, attention and feed-forward in turn.
pub(crate) fn sublayers<'a>(context: &'a Context<'a>, layers: Range<usize>) -> Vec<Sublayer<'a>> {
    layers
        .flat_map(|layer| sublayers_of(context, layer))
        .collect()
}

pub(crate) fn sublayers_of<'a>(context: &'a Context<'a>, layer: usize) -> [Sublayer<'a>; 2] {
    let masks = context.masks.layer(layer);
    let attention = Box::new(Attention::new(context, layer));
    let feed_forward = Box::new(FeedForward::new(context, layer));
    let (first, second) = (masks.attention_out.as_ref(), masks.down.as_ref());
    [
        Sublayer::new(&ATTENTION, context, layer, attention, first),
        Sublayer::new(&FEED_FORWARD, context, layer, feed_forward, second),
    ]
}
