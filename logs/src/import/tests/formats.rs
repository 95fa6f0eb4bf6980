//! What each format says.

use super::*;
use crate::tfevent::{Event, Metadata, Plugin, Summary, Tensor, Value, masked_crc};
use prost::Message;

fn frame(event: &Event) -> Vec<u8> {
    let payload = event.encode_to_vec();
    let length = (payload.len() as u64).to_le_bytes();
    let crc = |bytes: &[u8]| masked_crc(bytes).to_le_bytes();
    [&length[..], &crc(&length), &payload, &crc(&payload)].concat()
}

fn tensor(step: i64, tag: &str, plugin: &str, tensor: Tensor) -> Vec<u8> {
    let plugin_name = plugin.to_owned();
    let value = Value {
        tag: tag.to_owned(),
        tensor: Some(tensor),
        metadata: Some(Metadata {
            plugin_data: Some(Plugin {
                plugin_name,
                content: Vec::new(),
            }),
        }),
        ..Value::default()
    };
    frame(&Event {
        wall_time: 1_700_000_000.0 + step as f64,
        step,
        summary: Some(Summary { value: vec![value] }),
        ..Event::default()
    })
}

#[test]
fn scalars_of_tf2_are_read_from_raw_bytes_and_from_lists() {
    let raw = |dtype, bytes: &[u8]| Tensor {
        dtype,
        tensor_content: bytes.to_vec(),
        ..Tensor::default()
    };
    let list = Tensor {
        dtype: 1,
        float_val: vec![0.0],
        ..Tensor::default()
    };
    let file = [
        tensor(2, "loss", "scalars", raw(1, &2.5_f32.to_le_bytes())),
        tensor(1, "loss", "scalars", list),
        tensor(2, "big", "", raw(9, &(1_i64 << 40).to_le_bytes())),
        tensor(2, "image", "images", raw(1, &1_f32.to_le_bytes())),
        tensor(2, "pair", "scalars", raw(1, &[0; 8])),
        tensor(2, "loss vs samples", "scalars", raw(1, &[0; 4])),
        // The same again, as a writer that was restarted gives it.
        tensor(2, "loss", "scalars", raw(1, &2.5_f32.to_le_bytes())),
    ]
    .concat();
    let (format, log) = read("events.out.tfevents.1699999999.host.1", &file, &[]);
    assert_eq!((format, log.damaged, log.contradicted), ("tfevents", 0, 0));
    assert_eq!(
        log.clock,
        Some(1_699_999_999.0),
        "the time of the file's name"
    );
    let records = attempts(log).remove(0);
    assert_eq!((records[0].step, records[0].scalar("loss")), (1, Some(0.0)));
    assert_eq!((records[1].step, records[1].scalar("loss")), (2, Some(2.5)));
    assert_eq!(records[1].scalar("big"), Some((1_u64 << 40) as f64));
    assert_eq!(records[1].scalars.len(), 2);
}

#[test]
fn a_wandb_run_gives_its_history_with_what_is_not_finite() {
    let bytes = include_bytes!("../../../tests/data/run-57j236jh.wandb");
    let (format, log) = read("run-57j236jh.wandb", bytes, &[]);
    assert_eq!((format, log.damaged), ("wandb", 0));
    assert!(log.clock.is_some());
    let records = attempts(log).remove(0);
    let steps: Vec<u64> = records.iter().map(|record| record.step).collect();
    assert_eq!(steps, (1..=14).collect::<Vec<u64>>());
    assert_eq!(records[2].scalar("loss"), Some(5.0 / 3.0));
    assert_eq!(records[11].scalar("grad_norm"), Some(12.5));
    assert!(records[12].scalar("loss").unwrap().is_nan());
    assert_eq!(records[13].scalar("loss"), Some(f64::INFINITY));
    assert_eq!(records[13].scalar("nested.a"), Some(1.5));
    assert_eq!(records[0].scalars.len(), 2, "no text, no clock");
}

#[test]
fn megatrons_lines_give_signals_and_a_step_backwards_starts_an_attempt() {
    let bytes = include_bytes!("../../../tests/data/megatron.log");
    let (format, log) = read("tr8.log", bytes, &[]);
    assert_eq!((format, log.damaged), ("megatron", 0));
    let attempts = attempts(log);
    let steps = |attempt: &[Record]| attempt.iter().map(|record| record.step).collect::<Vec<_>>();
    assert_eq!(steps(&attempts[0]), [7000, 7010, 7220]);
    assert_eq!(steps(&attempts[1]), [6900, 6910, 6920, 13251]);
    let first = &attempts[0][0];
    assert_eq!(first.scalar("loss"), Some(6.444_662));
    assert_eq!(first.scalar("grad_norm"), Some(98258.265));
    assert_eq!(first.scalar("loss_scale"), Some(2048.0));
    assert_eq!(first.scalar("lr"), Some(6e-5));
    assert_eq!(first.scalar("batch_size"), Some(96.0));
    assert_eq!(first.scalar("step_seconds"), Some(18.7061));
    let broken = &attempts[1][3];
    assert_eq!(broken.scalar("samples"), Some(2_333_840.0));
    assert_eq!(broken.scalar("loss"), None, "a missing field stays missing");
    assert_eq!(broken.scalar("lr"), None);
}

#[test]
fn lines_of_deepspeed_and_neox_and_validation_are_read() {
    let text = b"noise | with | bars\n\
        [INFO] [logging.py:60:log_dist] [Rank 0] step=10, skipped=2, lr=[0.0001, 0.0001], mom=[(0.9, 0.95)]\n\
        steps: 10 loss: 6.9000 iter time (s): 0.500 samples/sec: 30.000\n \
        samples/sec: 92.5 | iteration       20/  143000 | elapsed time per iteration (ms): 500.0 | lm_loss: nan | number of nan iterations: 1 |\n \
        validation loss at iteration 20 | lm loss value: 2.9E+00 | lm loss PPL: 1.8E+01 | \n\
        iteration 30/ 100 | lm loss: 12x4 | grad norm: 1.0 |\n";
    let (format, log) = read("job.out", text, &[]);
    assert_eq!(
        (format, log.damaged),
        ("megatron", 1),
        "the line with `12x4`"
    );
    let records = attempts(log).remove(0);
    assert_eq!(records[0].scalar("lr"), Some(1e-4));
    assert_eq!(records[0].scalar("loss"), Some(6.9));
    assert_eq!(records[0].scalar("step_seconds"), Some(0.5));
    assert!(records[1].scalar("lm_loss").unwrap().is_nan());
    assert_eq!(records[1].scalar("held_out_loss"), Some(2.9));
    assert_eq!(records[2].scalar("grad_norm"), Some(1.0));
}

#[test]
fn tables_map_their_columns_and_count_bad_rows() {
    let text = "\u{feff}train/lm_loss\tstep\tother,[x]\n2.5\t2\t1\nnan\t3\t\n2.0\t1.0\t7\nx\tzz\t1\n1.0\t-4\t1\n3\n";
    let (format, log) = read("a.tsv", text.as_bytes(), &[]);
    assert_eq!((format, log.damaged), ("tsv", 3));
    let records = attempts(log).remove(0);
    assert_eq!(
        records.iter().map(|r| r.step).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(records[0].scalar("loss"), Some(2.0));
    assert_eq!(
        records[1].scalar("other,(x)"),
        Some(1.0),
        "a bracket would mean a layer"
    );
    assert!(records[2].scalar("loss").unwrap().is_nan());
    assert_eq!(records[2].scalars.len(), 1, "an empty cell is no number");
}

#[test]
fn a_panel_of_wandb_is_read_without_its_envelope() {
    let text = b"\"Step\",\"sweet-sun-3 - train/loss\",\"sweet-sun-3 - train/loss__MIN\",\"sweet-sun-3 - train/loss__MAX\"\r\n\"1\",\"2.5\",\"2.4\",\"2.6\"\r\n";
    let (format, log) = read("wandb_export.csv", text, &[]);
    assert_eq!((format, log.damaged), ("csv", 0));
    let records = attempts(log).remove(0);
    assert_eq!(records[0].scalar("loss"), Some(2.5));
    assert_eq!(records[0].scalars.len(), 1);
}

#[test]
fn the_users_columns_come_before_the_known_ones() {
    let text = b"it,loss,my loss,train/loss\n1,9,2.5,3\n";
    let map = ["it=step", "my loss=loss"].map(str::to_owned);
    let columns = Columns::new(&map).unwrap();
    let (_, log) = read("a.csv", text, &["it=step", "my loss=loss"]);
    let naming = columns.naming(log.names());
    let record = &log.into_records(&naming)[0][0];
    assert_eq!(record.scalar("loss"), Some(2.5));
    assert_eq!(
        record.scalar("loss (source)"),
        Some(9.0),
        "nothing is thrown away"
    );
    assert_eq!(record.scalar("train/loss"), Some(3.0));
    for (bad, why) in [("a", "no `=`"), ("=b", "empty"), ("a=b[0]", "no signal")] {
        let error = Columns::new(&[bad.to_owned()]).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn json_lines_hold_inner_objects_and_pythons_nan() {
    let text = b"{\"config\": {\"lr\": 1}}\n\
        {\"global_step\": 1, \"train\": {\"loss\": 2.5, \"text\": \"NaN \\\" NaN\"}, \"on\": true, \"_timestamp\": 1700000000.5}\n\
        {\"global_step\": 2, \"train\": {\"loss\": NaN}, \"grad_norm\": -Infinity}\n\
        {\"global_step\": 3, \"train\": {\"lo\n\
        {\"global_step\": 1, \"grad_norm\": \"inf\"}\n";
    let (format, log) = read("a.jsonl", text, &[]);
    assert_eq!(
        (format, log.damaged, log.clock),
        ("jsonl", 1, Some(1_700_000_000.5))
    );
    let attempts = attempts(log);
    assert_eq!(attempts[0][0].scalar("train.loss"), Some(2.5));
    assert!(attempts[0][1].scalar("train.loss").unwrap().is_nan());
    assert_eq!(attempts[0][1].scalar("grad_norm"), Some(f64::NEG_INFINITY));
    assert_eq!(attempts[1][0].scalar("grad_norm"), Some(f64::INFINITY));
}

#[test]
fn a_time_since_the_start_is_no_clock() {
    let (_, log) = read("a.csv", b"step,loss,time\n1,2.5,0.5\n2,2.5,1.5\n", &[]);
    assert_eq!(log.clock, None);
}
