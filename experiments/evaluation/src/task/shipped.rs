//! Tasks that come with the program: how the published files of some sets become items. The data does not.

use super::{Task, TaskError};
use std::path::Path;

/// Their names and their files.
pub const SHIPPED: [(&str, &str); 31] = [
    ("lambada", include_str!("../../tasks/lambada.yaml")),
    ("mmlu", include_str!("../../tasks/mmlu.yaml")),
    ("boolq", include_str!("../../tasks/boolq.yaml")),
    ("cb", include_str!("../../tasks/cb.yaml")),
    ("copa", include_str!("../../tasks/copa.yaml")),
    ("rte", include_str!("../../tasks/rte.yaml")),
    ("multirc", include_str!("../../tasks/multirc.yaml")),
    ("record", include_str!("../../tasks/record.yaml")),
    ("wic", include_str!("../../tasks/wic.yaml")),
    ("wsc", include_str!("../../tasks/wsc.yaml")),
    ("bustm", include_str!("../../tasks/bustm.yaml")),
    ("chid", include_str!("../../tasks/chid.yaml")),
    ("cluewsc", include_str!("../../tasks/cluewsc.yaml")),
    ("csl", include_str!("../../tasks/csl.yaml")),
    ("csldcp", include_str!("../../tasks/csldcp.yaml")),
    ("eprstmt", include_str!("../../tasks/eprstmt.yaml")),
    ("iflytek", include_str!("../../tasks/iflytek.yaml")),
    ("ocnli", include_str!("../../tasks/ocnli.yaml")),
    ("tnews", include_str!("../../tasks/tnews.yaml")),
    ("afqmc", include_str!("../../tasks/afqmc.yaml")),
    ("c3", include_str!("../../tasks/c3.yaml")),
    ("cmnli", include_str!("../../tasks/cmnli.yaml")),
    ("cmrc2018", include_str!("../../tasks/cmrc2018.yaml")),
    ("drcd", include_str!("../../tasks/drcd.yaml")),
    ("ocnli_50k", include_str!("../../tasks/ocnli_50k.yaml")),
    ("wsc1.1", include_str!("../../tasks/wsc1.1.yaml")),
    ("wikitext-2", include_str!("../../tasks/wikitext-2.yaml")),
    (
        "wikitext-103",
        include_str!("../../tasks/wikitext-103.yaml"),
    ),
    ("ptb", include_str!("../../tasks/ptb.yaml")),
    ("pile", include_str!("../../tasks/pile.yaml")),
    (
        "bigbench-lite",
        include_str!("../../tasks/bigbench-lite.yaml"),
    ),
];

/// The task of that name, or that of a file.
///
/// # Errors
/// If there is neither, or the file says what is no task.
pub fn shipped(name: &str) -> Result<Task, TaskError> {
    let path = Path::new(name);
    if let Some((known, text)) = SHIPPED.iter().find(|(known, _)| *known == name) {
        return Task::parse(text, Path::new(&format!("{known}.yaml")));
    }
    let looks_like_a_file = path.exists() || name.contains(['/', '.']);
    if looks_like_a_file {
        return Task::load(path);
    }
    let known = SHIPPED.map(|(name, _)| name);
    Err(TaskError::Name {
        name: name.to_owned(),
        hint: words::hint(name, known),
        known: words::quoted(known),
    })
}
