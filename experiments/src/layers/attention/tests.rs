//! Both implementations of attention.

use super::*;
use crate::layers::agreement::check_layer;
use experiments_config::{Format, PbRelaxMax, Positions};

#[test]
fn both_implementations_agree_for_every_position_encoding() {
    for positions in Positions::ALL {
        for qk_norm in [false, true] {
            check_layer(&format!("{positions:?} {qk_norm}"), |c| {
                (c.model.positions, c.model.qk_norm) = (positions, qk_norm);
            });
        }
    }
}

#[test]
fn both_implementations_agree_for_everything_that_keeps_scores_small() {
    use PbRelaxMax::{AbsMax, Head, Off, Row};
    for relax in [Off, Row, Head, AbsMax] {
        for softmax in [Format::Fp32, Format::Fp16] {
            check_layer(&format!("{relax:?} {softmax:?}"), |c| {
                c.precision.pb_relax.attention = relax;
                c.precision.softmax = softmax;
                c.precision.query_key_layer_scaling = relax == Off && softmax == Format::Fp32;
            });
        }
    }
}

#[test]
fn slopes_are_those_of_the_paper() {
    let eight: Vec<f64> = (1..=8).map(|k| 0.5_f64.powi(k)).collect();
    assert_eq!(slopes(8), eight, "2108.12409 §3");
    assert_eq!(slopes(2), [0.0625, 0.003_906_25]);
    // Three heads: those of two, then the first of four.
    assert_eq!(slopes(3), [0.0625, 0.003_906_25, 0.25]);
}
