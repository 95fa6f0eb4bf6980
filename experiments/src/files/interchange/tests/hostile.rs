//! Files that are not what they should be.

use super::super::pickle::module_tensors;
use super::super::torch_writer::{Described, write};
use super::*;
use proptest::prelude::*;

/// One rank's file of a small export.
fn file(ranks: usize, rank: usize) -> Vec<u8> {
    let path = directory(&format!(
        "file-{ranks}-{rank}-{:?}",
        std::thread::current().id()
    ));
    export_sat(&tensors(), &SHAPE, &settings(ranks, SatDtype::Half), &path).unwrap();
    let bytes = fs::read(path.join(format!("49300/mp_rank_{rank:02}_model_states.pt"))).unwrap();
    fs::remove_dir_all(path).unwrap();
    bytes
}

fn index(bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut index = Vec::new();
    std::io::copy(
        &mut archive.by_name("archive/data.pkl").unwrap(),
        &mut index,
    )
    .unwrap();
    index
}

/// Opens and reads all; only panics and hangs are failures.
fn read(bytes: Vec<u8>) -> Result<(), InterchangeError> {
    let mut file = TorchReader::new(Path::new("x.pt"), Cursor::new(bytes))?;
    for entry in entries(&SHAPE) {
        file.tensor(&entry.sat, &entry.shape)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = module_tensors(&bytes);
        let _ = read(bytes);
    }

    #[test]
    fn random_opcodes_never_panic(
        codes in prop::collection::vec(prop::sample::select(b"\x80\x02.(NKXc})\x85\x86\x87tsuqhQRb\0\x01\n".to_vec()), 0..200)
    ) {
        let _ = module_tensors(&codes);
    }
}

#[test]
fn changed_and_truncated_files_never_panic() {
    let whole = file(1, 0);
    let pickle = index(&whole);
    assert!(read(whole.clone()).is_ok());
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    let run = runner.run(
        &(changes, any::<prop::sample::Index>()),
        |(changes, cut)| {
            let (mut file, mut index) = (whole.clone(), pickle.clone());
            for (at, byte) in &changes {
                let (i, j) = (at.index(file.len()), at.index(index.len()));
                (file[i], index[j]) = (*byte, *byte);
            }
            let _ = module_tensors(&index);
            let _ = read(file);
            prop_assert!(read(whole[..cut.index(whole.len())].to_vec()).is_err());
            prop_assert!(module_tensors(&pickle[..cut.index(pickle.len())]).is_err());
            Ok(())
        },
    );
    run.unwrap();
}

fn refused(pickle: &[u8], expected: &str) {
    let error = module_tensors(pickle).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn code_is_named_and_not_run() {
    refused(
        b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.",
        "posix.system",
    );
    refused(b"\x80\x02}X\x06\0\0\0module}i", "opcode 0x69");
    refused(b"\x80\x04}.", "opcode 0x80");
}

#[test]
fn depth_and_sharing_are_bounded() {
    let mut deep = b"\x80\x02)".to_vec();
    deep.resize(100_000, 0x85);
    refused(&deep, "nested deeper");
    refused(b"\x80\x02}q\0h\0.", "uses one dict twice");
    refused(b"\x80\x02}N}s.", "no text");
}

#[test]
fn a_storage_that_is_too_small_or_of_another_type_is_found() {
    let path = directory("storage").with_extension("pt");
    let fails = |kind: &str, shape: &[usize], expected: &str| {
        let tensor = Described {
            name: "t",
            shape: shape.to_vec(),
        };
        write(&path, kind, &[tensor], |_| Ok(vec![0; 8])).unwrap();
        let error = TorchReader::open(&path)
            .unwrap()
            .tensor("t", shape)
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    fails(
        "FloatStorage",
        &[3],
        "found 8 bytes from byte 0 of its storage on, expected 12",
    );
    fails("FloatStorage", &[1 << 40, 1 << 20], "found 8 bytes");
    fails("FloatStorage", &[1 << 31, 1 << 31], "strides");
    fails("CharStorage", &[8], "quantised");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_directory_that_lacks_or_mixes_files_is_refused() {
    let path = directory("mixed");
    export_sat(&tensors(), &SHAPE, &settings(2, SatDtype::Float), &path).unwrap();
    let second = path.join("49300/mp_rank_01_model_states.pt");
    let fails = |expected: &str| {
        let error = import_sat(&path, &SHAPE).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };

    let mut other = tensors();
    set(&mut other, "layers.1.ffn_norm.weight", |_| 3.0);
    let mixed = directory("mixed-other");
    export_sat(&other, &SHAPE, &settings(2, SatDtype::Float), &mixed).unwrap();
    fs::copy(mixed.join("49300/mp_rank_01_model_states.pt"), &second).unwrap();
    fails("transformer.layers.1.post_attention_layernorm.weight`: found other values");

    fs::write(&second, file(1, 0)).unwrap();
    fails("word_embeddings.weight`: found shape [16, 8], expected [8, 8]");
    fs::write(&second, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.").unwrap();
    fails("mp_rank_01_model_states.pt");
    fs::rename(&second, path.join("49300/mp_rank_02_model_states.pt")).unwrap();
    fails("without a gap");
    fs::write(path.join("latest"), "../../etc").unwrap();
    fails("holds `../../etc`");
    for path in [path, mixed] {
        fs::remove_dir_all(path).unwrap();
    }
}
