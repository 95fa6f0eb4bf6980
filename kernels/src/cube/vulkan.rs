//! Devices that Vulkan offers. What is not there is found out first, since the backend answers it with a panic.

use super::On;
use super::abilities::{abilities, no_such};
use crate::failure;
use crate::gpu::{Abilities, Gpu, Gpus};
use burn_wgpu::{RuntimeOptions, WgpuDevice, WgpuRuntime, WgpuSetup, init_device};
use cubecl::Runtime;
use cubecl::future::block_on;
use cubecl::wgpu::vulkan::request_vulkan_device;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use wgpu::{Adapter, Backend, Backends, DeviceType, Instance, InstanceDescriptor};

/// FP32 on a device that Vulkan offers, kernels compiled to SPIR-V.
pub type Vulkan = On<WgpuRuntime>;

/// Kernels that a device may be given at once, as the backend has it.
const MOST_TASKS: usize = 32;

/// Devices in use, by their numbers: the backend knows each by a name of its own, and opens it once.
static OPEN: Mutex<BTreeMap<usize, WgpuDevice>> = Mutex::new(BTreeMap::new());

impl Gpus for Vulkan {
    fn list() -> Result<Vec<Gpu>, String> {
        let (_, all) = adapters()?;
        Ok(all.iter().map(describe).collect())
    }

    fn open(index: usize) -> Result<WgpuDevice, String> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = open.get(&index) {
            return Ok(device.clone());
        }
        let device = start(index)?;
        open.insert(index, device.clone());
        Ok(device)
    }

    fn abilities(device: &WgpuDevice) -> Abilities {
        abilities(&WgpuRuntime::client(device))
    }
}

/// Every device, cards first and what computes on the CPU last. Asked once: each time, layers of the driver write to
/// standard error where there is no desktop.
fn adapters() -> Result<&'static (Instance, Vec<Adapter>), String> {
    static ALL: OnceLock<(Instance, Vec<Adapter>)> = OnceLock::new();
    let found = ALL.get_or_init(|| {
        let instance = Instance::new(InstanceDescriptor {
            backends: Backends::VULKAN,
            ..InstanceDescriptor::new_without_display_handle()
        });
        let mut all = block_on(instance.enumerate_adapters(Backends::VULKAN));
        all.sort_by_key(|adapter| match adapter.get_info().device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        });
        (instance, all)
    });
    if found.1.is_empty() {
        return Err(missing());
    }
    Ok(found)
}

/// What keeps Vulkan from offering a device.
fn missing() -> String {
    const LOADER: &str = if cfg!(windows) {
        "vulkan-1.dll"
    } else {
        "libvulkan.so.1"
    };
    // SAFETY: loading runs the library's initialisers; wgpu has tried the same library just before.
    #[expect(unsafe_code, reason = "probing for a shared library")]
    let loads = unsafe { libloading::Library::new(LOADER) }.is_ok();
    if loads {
        "the Vulkan loader finds no device: install the driver of the card, or Mesa's, which computes on the CPU \
         (Debian: mesa-vulkan-drivers)"
            .to_owned()
    } else {
        format!(
            "`{LOADER}` cannot be loaded: install the Vulkan loader (Debian: libvulkan1) and the driver of the card, or \
             Mesa's, which computes on the CPU (Debian: mesa-vulkan-drivers)"
        )
    }
}

fn describe(adapter: &Adapter) -> Gpu {
    let info = adapter.get_info();
    Gpu {
        name: info.name,
        driver: format!("{} {}", info.driver, info.driver_info),
        memory: memory(adapter),
    }
}

/// Of the largest heap of the device's own memory, in bytes.
#[expect(unsafe_code, reason = "wgpu does not say how much memory a device has")]
fn memory(adapter: &Adapter) -> u64 {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
    const OWN: u32 = 1;
    // SAFETY: the adapter is only asked, and is neither kept nor destroyed.
    let Some(adapter) = (unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }) else {
        return 0;
    };
    let instance = adapter.shared_instance().raw_instance();
    // SAFETY: the physical device is the instance's.
    let memory =
        unsafe { instance.get_physical_device_memory_properties(adapter.raw_physical_device()) };
    let heaps = memory
        .memory_heaps
        .iter()
        .take(memory.memory_heap_count as usize);
    let own = heaps.filter(|heap| heap.flags.as_raw() & OWN != 0);
    own.map(|heap| heap.size).max().unwrap_or(0)
}

fn start(index: usize) -> Result<WgpuDevice, String> {
    failure::watch();
    let (instance, all) = adapters()?;
    let Some(adapter) = all.get(index) else {
        let known: Vec<_> = all.iter().map(describe).collect();
        return Err(no_such("vulkan", &known));
    };
    let Some((device, queue)) = block_on(request_vulkan_device(adapter)) else {
        return Err(format!(
            "{} lacks the Vulkan memory model or buffer device addresses (Vulkan 1.2), which every kernel needs",
            adapter.get_info().name
        ));
    };
    let setup = WgpuSetup {
        instance: instance.clone(),
        adapter: adapter.clone(),
        device,
        queue,
        backend: Backend::Vulkan,
    };
    let options = RuntimeOptions {
        tasks_max: MOST_TASKS,
        memory_config: Default::default(),
    };
    let device = init_device(setup, options);
    let lacking = Vulkan::abilities(&device).lacking;
    if lacking.is_empty() {
        Ok(device)
    } else {
        Err(format!(
            "{} lacks {}, which the kernels need",
            adapter.get_info().name,
            lacking.join(", ")
        ))
    }
}
