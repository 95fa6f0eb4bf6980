//! On slices.

use crate::layers::attention::host::Attention;
use crate::layers::context::host::Context;
use crate::layers::feed_forward::host::FeedForward;
use crate::layers::residual::host::Sublayer;
use crate::layers::residual::{ATTENTION, FEED_FORWARD};
use crate::layers::weights::host::Weights;
use crate::quantization::PackedMaps;
use kernels::slices::ForwardWeight;
use std::ops::Range;

/// All sub-layers of some layers, attention and feed-forward in turn.
pub(crate) fn sublayers<'a>(context: &'a Context<'a>, layers: Range<usize>) -> Vec<Sublayer<'a>> {
    layers
        .flat_map(|layer| sublayers_of(context, layer))
        .collect()
}

/// The weights of both sub-layers of a layer, ready for products: in codes where there are some by that name.
pub(crate) fn forward_weights<'a>(
    weights: &'a Weights,
    packed: &'a PackedMaps,
    layer: usize,
) -> [[ForwardWeight<'a>; 2]; 2] {
    [&ATTENTION, &FEED_FORWARD].map(|half| {
        half.linears.map(|part| {
            let name = format!("layers.{layer}.{}.{part}", half.name);
            match packed.get(&format!("{name}.weight")) {
                Some(map) => ForwardWeight::Codes(map.codes()),
                None => weights.linear(&name).forward_weight(),
            }
        })
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
