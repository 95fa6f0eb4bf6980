//! Shipped tasks over published sets, where `WORKBENCH_EVAL_DATA` names a folder that has them.

use super::*;
use crate::task::{SHIPPED, shipped};

/// Every published set as its publishers wrote it, with a model that knows nothing.
#[test]
fn published_sets_are_read() {
    let Some(data) = std::env::var_os(experiments_text::tasks::DATA_VARIABLE) else {
        eprintln!("skipped: WORKBENCH_EVAL_DATA is not set");
        return;
    };
    let mut sets = 0;
    for (name, _) in SHIPPED {
        let task = shipped(name).unwrap();
        // The folder may have some of the sets only.
        if !Path::new(&data).join(&task.path).exists() {
            eprintln!("skipped: no `{}`", task.path.display());
            continue;
        }
        sets += 1;
        let scratch = Scratch::new(&[]);
        let options = Options {
            data: Path::new(&data),
            limit: Some(1),
            ..scratch.options()
        };
        let found = asked_of(slots(2048), |asked| {
            evaluate(asked, &task, &options, &scratch.records(), &mut |_, _| true)
        });
        let found = found
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .unwrap();
        assert!(found.skipped.is_empty(), "{name}: {:?}", found.skipped);
        let files = found.groups.iter().flat_map(|group| &group.files);
        for file in files {
            assert!(!file.metrics.is_empty(), "{name}: {}", file.file);
            for share in file.metrics.values() {
                assert_eq!(share.items, 1, "{name}: {}", file.file);
            }
        }
    }
    assert!(sets > 0, "`{}` has none of the sets", data.display());
}
