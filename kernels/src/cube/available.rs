//! What a CUDA device needs at run time. The backend answers its absence with a panic in a thread, so it
//! is looked for first.

use std::path::{Path, PathBuf};

/// Libraries under the names that the backend tries, and what to do without them.
const LIBRARIES: [(&[&str], &str); 2] = [
    (&["libcuda.so", "libcuda.so.1"], "install the NVIDIA driver"),
    (
        &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"],
        "install the CUDA toolkit's NVRTC (CUDA 12 or newer)",
    ),
];

/// Every kernel includes this header; the backend looks for its folder here, and nowhere else.
const HEADER: &str = "include/cuda_runtime.h";
const TOOLKITS: [&str; 2] = ["/usr/local/cuda", "/opt/cuda"];

/// Whether a CUDA device can be used, and if not, what is missing and what to do.
pub fn cuda_available() -> Result<(), String> {
    for (names, remedy) in LIBRARIES {
        // SAFETY: loading runs the library's initialisers; these are NVIDIA's own, which the
        // backend would run a moment later.
        #[expect(unsafe_code, reason = "probing for a shared library")]
        let loads = |name: &&str| unsafe { libloading::Library::new(*name) }.is_ok();
        if !names.iter().any(loads) {
            let name = names[names.len() - 1];
            return Err(format!("`{name}` cannot be loaded: {remedy}"));
        }
    }
    let toolkit = toolkit();
    let header = toolkit.join(HEADER);
    if !header.is_file() {
        return Err(format!(
            "there is no `{}`: install the CUDA toolkit's headers (cuda-cudart-dev), or name the \
             toolkit's folder in CUDA_PATH",
            header.display()
        ));
    }
    Ok(())
}

/// The toolkit that the backend will use.
fn toolkit() -> PathBuf {
    if let Some(named) = std::env::var_os("CUDA_PATH") {
        return named.into();
    }
    let found = TOOLKITS.iter().find(|folder| Path::new(folder).exists());
    match found {
        Some(folder) => folder.into(),
        None if Path::new("/usr/bin/nvcc").exists() => "/usr".into(),
        None => TOOLKITS[0].into(),
    }
}
