//! On slices.

use crate::layers::attention::host::Attention;
use crate::layers::context::host::Context;
use crate::layers::feed_forward::host::FeedForward;
use crate::layers::residual::host::Sublayer;
use crate::layers::residual::{ATTENTION, FEED_FORWARD};
use crate::layers::weights::host::Weights;
use kernels::slices::Linear;
use std::ops::Range;

/// All sub-layers of some layers, attention and feed-forward in turn.
pub(crate) fn sublayers<'a>(context: &'a Context<'a>, layers: Range<usize>) -> Vec<Sublayer<'a>> {
    layers
        .flat_map(|layer| sublayers_of(context, layer))
        .collect()
}

/// The linear maps of both sub-layers of a layer.
pub(crate) fn linears<'a>(weights: &'a Weights, layer: usize) -> [[Linear<'a>; 2]; 2] {
    [&ATTENTION, &FEED_FORWARD].map(|half| {
        let name = |part: &str| format!("layers.{layer}.{}.{part}", half.name);
        half.linears.map(|part| weights.linear(&name(part)))
    })
}

pub(crate) fn sublayers_of<'a>(context: &'a Context<'a>, layer: usize) -> [Sublayer<'a>; 2] {
    let masks = context.masks.layer(layer);
    let attention = Box::new(Attention::new(context, layer));
    let feed_forward = Box::new(FeedForward::new(context, layer));
    let (first, second) = (masks.attention_out.as_ref(), masks.down.as_ref());
    let prepared = |index: usize| Some(&context.before?.prepared[2 * layer + index]);
    [
        Sublayer::new(&ATTENTION, context, layer, attention, first).with(prepared(0)),
        Sublayer::new(&FEED_FORWARD, context, layer, feed_forward, second).with(prepared(1)),
    ]
}
