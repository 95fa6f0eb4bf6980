// A CUDA driver and an NVRTC without a card: memory is the host's, kernels are compiled by the C++ compiler and run unit by
// unit, in order. For checks where there is no GPU; see README.md. Functions as `cuda.h` and `nvrtc.h` declare them.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>

#define API extern "C" __attribute__((visibility("default")))
using Result = int;
using Pointer = uint64_t;

constexpr Result SUCCESS = 0, INVALID = 1, NO_DEVICE = 101, COMPILATION = 6;
constexpr size_t MEMORY = 8ull << 30;
// Bits of NaN: what a kernel reads that nobody wrote shows in its results.
constexpr int NOBODY_WROTE = 0xff;

// Devices

API Result cuInit(unsigned) { return SUCCESS; }

API Result cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

API Result cuDeviceGetCount(int *count) {
    *count = 1;
    return SUCCESS;
}

API Result cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal == 0 ? SUCCESS : NO_DEVICE;
}

API Result cuDeviceGetName(char *name, int size, int) {
    snprintf(name, size, "emulated H100");
    return SUCCESS;
}

API Result cuDeviceTotalMem_v2(size_t *bytes, int) {
    *bytes = MEMORY;
    return SUCCESS;
}

// What the backend asks, as an H100 answers it; 1 for everything else.
API Result cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;     // units of a block, and along x and y
    case 4: *value = 64; break;                        // along z
    case 5: *value = 2147483647; break;                // blocks along x
    case 6: case 7: *value = 65535; break;             // along y and z
    case 8: *value = 49152; break;                     // shared memory of a block
    case 10: *value = 32; break;                       // units of a warp
    case 12: case 82: *value = 65536; break;           // registers of a block, of a multiprocessor
    case 16: *value = 132; break;                      // multiprocessors
    case 38: *value = 50 << 20; break;                 // L2
    case 39: *value = 2048; break;                     // units of a multiprocessor
    case 75: *value = 9; break;                        // compute capability
    case 76: *value = 0; break;
    case 81: *value = 233472; break;                   // shared memory of a multiprocessor
    case 97: *value = 232448; break;                   // of a block that asks for more
    default: *value = 1;
    }
    return SUCCESS;
}

API Result cuDevicePrimaryCtxRetain(void **context, int) {
    *context = (void *)1;
    return SUCCESS;
}

API Result cuCtxSetCurrent(void *) { return SUCCESS; }

API Result cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = *total = MEMORY;
    return SUCCESS;
}

API Result cuGetErrorString(int, const char **text) {
    *text = "an error of the emulator";
    return SUCCESS;
}

API Result cuGetErrorName(int, const char **text) { return cuGetErrorString(0, text); }

// Everything is done when it is asked for, so streams and events have nothing to wait for.

API Result cuStreamCreate(void **stream, unsigned) {
    *stream = (void *)2;
    return SUCCESS;
}
API Result cuStreamCreateWithPriority(void **stream, unsigned, int) { return cuStreamCreate(stream, 0); }
API Result cuStreamSynchronize(void *) { return SUCCESS; }
API Result cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
API Result cuEventCreate(void **event, unsigned) {
    *event = (void *)3;
    return SUCCESS;
}
API Result cuEventRecord(void *, void *) { return SUCCESS; }
API Result cuEventSynchronize(void *) { return SUCCESS; }
API Result cuEventDestroy_v2(void *) { return SUCCESS; }

// Memory

static void *allocate(size_t bytes) {
    void *memory = aligned_alloc(512, (bytes + 511) / 512 * 512);
    if (memory) memset(memory, NOBODY_WROTE, bytes);
    return memory;
}

API Result cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
    *pointer = (Pointer)allocate(bytes);
    return SUCCESS;
}
API Result cuMemAllocAsync(Pointer *pointer, size_t bytes, void *) { return cuMemAlloc_v2(pointer, bytes); }
API Result cuMemAllocHost_v2(void **pointer, size_t bytes) {
    *pointer = allocate(bytes);
    return SUCCESS;
}
API Result cuMemFree_v2(Pointer pointer) {
    free((void *)pointer);
    return SUCCESS;
}
API Result cuMemFreeAsync(Pointer pointer, void *) { return cuMemFree_v2(pointer); }
API Result cuMemFreeHost(void *pointer) { return cuMemFree_v2((Pointer)pointer); }

API Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *) {
    memcpy((void *)to, from, bytes);
    return SUCCESS;
}
API Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *) {
    memcpy(to, (void *)from, bytes);
    return SUCCESS;
}
API Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *) {
    memmove((void *)to, (void *)from, bytes);
    return SUCCESS;
}

// One side of `CUDA_MEMCPY2D`; a `type` of 1 is the host.
struct Side {
    size_t x, y;
    int type;
    void *host;
    Pointer device;
    void *array;
    size_t pitch;

    char *row(size_t index) const {
        char *base = type == 1 ? (char *)host : (char *)device;
        return base + (y + index) * pitch + x;
    }
};

struct Copy2D {
    Side from, to;
    size_t width, height;
};

API Result cuMemcpy2DAsync_v2(const Copy2D *copy, void *) {
    for (size_t row = 0; row < copy->height; row++)
        memcpy(copy->to.row(row), copy->from.row(row), copy->width);
    return SUCCESS;
}

// Kernels: a module is the path of a library that compile.py made.

struct Module {
    void *library;
    std::string kernel;
};

API Result cuModuleLoadData(void **module, const void *path) {
    void *library = dlopen((const char *)path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return INVALID;
    }
    *module = new Module{library, ""};
    return SUCCESS;
}

API Result cuModuleGetFunction(void **function, void *module, const char *name) {
    ((Module *)module)->kernel = name;
    *function = module;
    return SUCCESS;
}

API Result cuFuncSetAttribute(void *, int, int) { return SUCCESS; }

API Result cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                          unsigned block_z, unsigned shared, void *, void **parameters, void **) {
    static std::mutex one_at_a_time;
    std::lock_guard<std::mutex> guard(one_at_a_time);
    auto *module = (Module *)function;
    auto run = (void (*)(void **, const unsigned *, unsigned))dlsym(module->library, "run_kernel");
    const unsigned sizes[] = {grid_x, grid_y, grid_z, block_x, block_y, block_z};
    if (getenv("CUDA_EMULATOR_LOG"))
        fprintf(stderr, "%s, blocks %u %u %u of %u %u %u\n", module->kernel.c_str(), grid_x, grid_y, grid_z, block_x, block_y, block_z);
    run(parameters, sizes, shared);
    return SUCCESS;
}

// NVRTC: the "PTX" of a program is the path of its library.

struct Program {
    std::string source, library, log;
};

API Result nvrtcCreateProgram(void **program, const char *source, const char *, int, const char *const *, const char *const *) {
    *program = new Program{source, "", ""};
    return SUCCESS;
}

API Result nvrtcDestroyProgram(void **program) {
    delete (Program *)*program;
    return SUCCESS;
}

static std::string setting(const char *name) {
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "the emulator needs %s: see its README.md\n", name);
        exit(1);
    }
    return value;
}

API Result nvrtcCompileProgram(void *handle, int, const char *const *) {
    auto *program = (Program *)handle;
    char name[32];
    snprintf(name, sizeof name, "%016zx", std::hash<std::string>{}(program->source));
    std::string base = setting("CUDA_EMULATOR_KEEP") + "/" + name;
    program->library = base + ".so";
    if (std::filesystem::exists(program->library)) return SUCCESS;
    std::ofstream(base + ".cu") << program->source;
    std::string command = "python3 '" + setting("CUDA_EMULATOR") + "/compile.py' '" + base + ".cu' '" + program->library + "' > '" + base + ".log' 2>&1";
    if (system(command.c_str()) == 0) return SUCCESS;
    std::stringstream text;
    text << std::ifstream(base + ".log").rdbuf();
    program->log = text.str();
    return COMPILATION;
}

static Result give(const std::string &text, char *to) {
    strcpy(to, text.c_str());
    return SUCCESS;
}

API Result nvrtcGetProgramLogSize(void *program, size_t *size) {
    *size = ((Program *)program)->log.size() + 1;
    return SUCCESS;
}
API Result nvrtcGetProgramLog(void *program, char *log) { return give(((Program *)program)->log, log); }
API Result nvrtcGetPTXSize(void *program, size_t *size) {
    *size = ((Program *)program)->library.size() + 1;
    return SUCCESS;
}
API Result nvrtcGetPTX(void *program, char *ptx) { return give(((Program *)program)->library, ptx); }
API const char *nvrtcGetErrorString(int) { return "an error of the emulator's compiler"; }
