//! A run that grows while it is looked at: what is taken in bit by bit is what would be read at once.

use super::*;

/// A monitor that was there from the beginning shows what one shows that has just been opened. The run becomes longer than what
/// the heat map reads of one, and has a held-out loss in one step only.
#[test]
fn a_run_that_grew_under_the_monitor_is_shown_as_one_that_was_opened_now() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::open(dir.path()).unwrap();
    let open = || {
        let options = Options::default();
        crate::open(dir.path(), options).unwrap()
    };
    let record = |step: u64| {
        let mut record = record(step);
        record.set_named("grad_norm", 1.0);
        record
    };
    writer.step(&record(1)).unwrap();
    let mut watching = open();
    watching.frame(120, 40);
    let mut step = 1;
    for length in [2, 900, 17_000, 17_100, 40_000] {
        while step < length {
            step += 1;
            let mut record = record(step);
            record.set_layers_named("layer_grad_norm", vec![step as f64, 1.0]);
            if step == 500 {
                record.set_named("held_out_loss", 2.5);
            }
            writer.step(&record).unwrap();
        }
        assert!(watching.poll().unwrap().changed);
        assert_eq!(watching.frame(120, 40), open().frame(120, 40), "{length}");
    }
    let row = &watching.screen.shared.sweep().runs[0];
    assert_eq!((row.loss, row.held_out), (Some(3.0), Some(2.5)));
    let sweep = watching.screen.shared.sweep();
    assert_eq!(sweep.eta, None, "it does not say where it ends");
}
