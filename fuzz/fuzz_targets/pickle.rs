//! Weights in the public layout of GLM-130B: the input as an archive, and as the pickled index of a sound one.
#![no_main]

use fuzz::{Folder, model};
use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An archive of `torch.save` with this index, and storages of zeros.
fn archive(index: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut member = |name: &str, bytes: &[u8]| {
        archive
            .start_file(format!("archive/{name}"), stored)
            .unwrap();
        archive.write_all(bytes).unwrap();
    };
    member("data.pkl", index);
    // As many storages as the model has tensors, and some more.
    for storage in 0..20 {
        member(&format!("data/{storage}"), &[0; 4096]);
    }
    archive.finish().unwrap().into_inner()
}

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    let config = model::tiny(None);
    folder.write("latest", b"1");
    for file in [bytes, &archive(bytes)] {
        folder.write("1/mp_rank_00_model_states.pt", file);
        let out = folder.path().join("out.safetensors");
        let _ = experiments::import_weights(folder.path(), &config, &out);
    }
});
