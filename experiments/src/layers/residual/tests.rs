//! Both implementations of a layer.

use crate::layers::agreement::check_layer;
use experiments_config::Norm;

#[test]
fn both_implementations_agree_for_every_norm_arrangement() {
    for norm in Norm::ALL {
        for relax in [false, true] {
            check_layer(&format!("{norm:?} {relax}"), |c| {
                (c.model.norm, c.precision.pb_relax.norm) = (norm, relax);
            });
        }
    }
}
