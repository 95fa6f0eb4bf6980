//! NVIDIA's devices. What is not there is found out first, since the backend answers it with a panic in a thread.

use super::On;
use super::abilities::{abilities, no_such};
use super::kept;
use crate::failure;
use crate::gpu::{Abilities, Gpu, Gpus};
use burn_cuda::CudaDevice;
use cubecl::Runtime;
use cubecl::cuda::CudaRuntime;
use libloading::Library;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::path::{Path, PathBuf};

/// FP32 on an NVIDIA device, kernels compiled by NVRTC.
pub type Cuda = On<CudaRuntime>;

/// A library under the names that the backend tries, and what to do without it.
type Needed = (&'static [&'static str], &'static str);

const DRIVER: Needed = (&["libcuda.so", "libcuda.so.1"], "install the NVIDIA driver");
const COMPILER: Needed = (
    &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"],
    "install the CUDA toolkit's NVRTC (CUDA 12 or newer)",
);

/// Every kernel includes this header; the backend looks for its folder here, and nowhere else.
const HEADER: &str = "include/cuda_runtime.h";
const TOOLKITS: [&str; 2] = ["/usr/local/cuda", "/opt/cuda"];

impl Gpus for Cuda {
    fn list() -> Result<Vec<Gpu>, String> {
        let devices = devices(&load(DRIVER)?)?;
        load(COMPILER)?;
        let toolkit = toolkit();
        let header = toolkit.join(HEADER);
        if !header.is_file() {
            return Err(format!(
                "there is no `{}`: install the CUDA toolkit's headers (cuda-cudart-dev), or name the \
                 toolkit's folder in CUDA_PATH",
                header.display()
            ));
        }
        Ok(devices)
    }

    fn open(index: usize) -> Result<CudaDevice, String> {
        let all = Self::list()?;
        let Some(gpu) = all.get(index) else {
            return Err(no_such("cuda", &all));
        };
        kept::tell_backend(gpu);
        failure::watch();
        Ok(CudaDevice::new(index))
    }

    fn abilities(device: &CudaDevice) -> Abilities {
        abilities(&CudaRuntime::client(device))
    }
}

fn load((names, remedy): Needed) -> Result<Library, String> {
    // SAFETY: loading runs the library's initialisers; these are NVIDIA's own, which the
    // backend would run a moment later.
    #[expect(unsafe_code, reason = "probing for a shared library")]
    let mut found = names
        .iter()
        .filter_map(|name| unsafe { Library::new(*name) }.ok());
    found.next().ok_or_else(|| {
        let name = names[names.len() - 1];
        format!("`{name}` cannot be loaded: {remedy}")
    })
}

/// The driver's functions, as `cuda.h` declares them; 0 is success.
type Init = unsafe extern "C" fn(c_uint) -> c_int;
type Number = unsafe extern "C" fn(*mut c_int) -> c_int;
type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;

/// The devices that the driver lists.
fn devices(driver: &Library) -> Result<Vec<Gpu>, String> {
    let found = query(driver).map_err(|error| format!("the NVIDIA driver is damaged: {error}"))?;
    if found.is_empty() {
        return Err("the NVIDIA driver finds no device: see what `nvidia-smi` says".to_owned());
    }
    Ok(found)
}

/// Asks the driver, by numbers: devices are 0, 1, … there too.
#[expect(
    unsafe_code,
    reason = "the driver is asked before the backend, which panics without a device"
)]
fn query(driver: &Library) -> Result<Vec<Gpu>, libloading::Error> {
    let (mut version, mut count) = (0, 0);
    // SAFETY: the types are those of `cuda.h`, and every pointer is to one value of its type, or to as many bytes as
    // are named.
    unsafe {
        if driver.get::<Init>("cuInit")?(0) != 0 {
            return Ok(Vec::new());
        }
        driver.get::<Number>("cuDriverGetVersion")?(&raw mut version);
        driver.get::<Number>("cuDeviceGetCount")?(&raw mut count);
        let name = driver.get::<Name>("cuDeviceGetName")?;
        let memory = driver.get::<Memory>("cuDeviceTotalMem_v2")?;
        let describe = |device| {
            let (mut text, mut bytes) = ([0_u8; 256], 0);
            name(text.as_mut_ptr().cast(), text.len() as c_int - 1, device);
            memory(&raw mut bytes, device);
            let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
            Gpu {
                name: text.to_string_lossy().into_owned(),
                driver: format!("CUDA {}.{}", version / 1000, version % 1000 / 10),
                memory: bytes as u64,
            }
        };
        Ok((0..count).map(describe).collect())
    }
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
