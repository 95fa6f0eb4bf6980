use super::*;

/// Every file that is shipped must be complete and sane.
#[test]
fn every_gpu_file_reads() {
    for name in gpu_names() {
        let gpu = gpu(name).unwrap();
        assert_eq!(gpu.name, name);
        assert!(!gpu.source.is_empty());
        for alias in &gpu.aliases {
            assert_eq!(gpu_by_alias(alias), Some(name));
        }
    }
}

/// The paper's utilisation rests on this peak (arXiv 2210.02414 §2.4).
#[test]
fn a100_peak_is_the_papers() {
    assert_eq!(gpu("a100-40g").unwrap().peak(Format::Fp16).unwrap(), 312e12);
}

/// A typo gets the nearest name; a GPU without BF16 says so.
#[test]
fn unknown_names_and_formats_are_explained() {
    let error = gpu("a100").unwrap_err().to_string();
    assert!(error.contains("did you mean `a100-40g`"), "{error}");
    let error = gpu("A100-80GB").unwrap_err().to_string();
    assert!(error.contains("did you mean `a100-80g`"), "{error}");
    assert!(gpu("v100").unwrap().peak(Format::Bf16).is_err());
}

/// A user's own file is taken, and a wrong one is refused with its reason.
#[test]
fn a_file_of_ones_own() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("plan-gpu-{}.toml", std::process::id()));
    let text = GPUS[0]
        .1
        .replace("intra_node = \"nvlink3\"", "intra_node = { title = \"mine\", bandwidth = 1e9, efficiency = 1.0, latency = 0.0, source = \"me\" }");
    std::fs::write(&path, text).unwrap();
    let own = gpu(path.to_str().unwrap()).unwrap();
    assert_eq!(own.intra_node.title, "mine");
    std::fs::remove_file(&path).unwrap();
    assert!(
        gpu("/nowhere/gpu.toml")
            .unwrap_err()
            .to_string()
            .contains("/nowhere")
    );
    let bad = GPUS[0].1.replace("tdp_watts = 400.0", "tdp_watts = -1.0");
    assert!(Gpu::parse(&bad).unwrap_err().contains("tdp_watts"));
    let bad = GPUS[0].1.replace("nvlink3", "nvlink9");
    assert!(Gpu::parse(&bad).unwrap_err().contains("nvlink9"));
}
