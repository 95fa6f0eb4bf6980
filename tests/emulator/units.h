// What CUDA C++ needs to run on a CPU: the units of a block are fibers of one thread, which go on in the order of their numbers
// and wait for each other at `__syncthreads` and at the operations of a warp. Each compiled kernel has a copy of its own.
//
// Matrix fragments are whole matrices, kept by a warp's first unit; what a fragment's elements are asked for one by one, they are
// asked of that unit.

#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <type_traits>
#include <vector>

#include <vector_functions.h>
#include <vector_types.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#undef __device__
#undef __forceinline__
#undef __global__
#undef __grid_constant__
#undef __host__
#undef __launch_bounds__
#undef __shared__
#define __device__
#define __forceinline__ inline
#define __global__
#define __grid_constant__
#define __host__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __shared__ static
#define warpSize 32

using std::max;
using std::min;

// Units

struct Place {
    unsigned x, y, z;
};
static Place threadIdx, blockIdx, blockDim, gridDim;

static void **parameters;
static char *shared_memory;
static void call_kernel();

enum class State { runs, waits_for_block, waits_for_warp, ended };

struct Unit {
    void *stack_pointer;
    char *stack;
    State state;
    Place place;
};

// Fragments make frames large. Pages that nobody touches take no memory.
constexpr size_t STACK = 4 << 20;
constexpr unsigned WARP = 32;

static std::vector<Unit> units;
static unsigned current;
static void *scheduler;

// Saves what a call has to keep, and goes on with another stack (System V, x86-64).
extern "C" void switch_stacks(void **from, void *to);
asm(R"(
.local switch_stacks
.type switch_stacks, @function
switch_stacks:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
)");

static void pause(State state) {
    units[current].state = state;
    switch_stacks(&units[current].stack_pointer, scheduler);
}

static void begin_unit() {
    call_kernel();
    pause(State::ended);
}

[[noreturn]] static void fail(const char *what) {
    fprintf(stderr, "emulator: %s\n", what);
    abort();
}

// Whoever waits goes on once all in `from..to` that have not ended wait too.
static bool release(unsigned from, unsigned to, State waiting) {
    bool some = false;
    for (unsigned i = from; i < to; i++) {
        if (units[i].state == waiting) some = true;
        else if (units[i].state != State::ended) return false;
    }
    for (unsigned i = from; some && i < to; i++)
        if (units[i].state == waiting) units[i].state = State::runs;
    return some;
}

static Place place_of(unsigned unit) {
    return {unit % blockDim.x, unit / blockDim.x % blockDim.y, unit / blockDim.x / blockDim.y};
}

static void prepare(unsigned count) {
    while (units.size() < count) units.push_back({nullptr, (char *)malloc(STACK), State::ended, {}});
    for (unsigned i = 0; i < count; i++) {
        // As `switch_stacks` leaves a stack: six registers, where to go on, and what would be behind it.
        auto *top = (uint64_t *)(((uintptr_t)units[i].stack + STACK) & ~63ull);
        *--top = 0;
        *--top = (uint64_t)begin_unit;
        units[i] = {top - 6, units[i].stack, State::runs, place_of(i)};
    }
}

static void run_block(unsigned count) {
    prepare(count);
    for (bool all_ended = false; !all_ended;) {
        bool progress = false;
        all_ended = true;
        for (current = 0; current < count; current++) {
            if (units[current].state == State::runs) {
                progress = true;
                threadIdx = units[current].place;
                switch_stacks(&scheduler, units[current].stack_pointer);
            }
            all_ended &= units[current].state == State::ended;
        }
        for (unsigned warp = 0; warp < count; warp += WARP)
            progress |= release(warp, min(count, warp + WARP), State::waits_for_warp);
        progress |= release(0, count, State::waits_for_block);
        if (!progress && !all_ended) fail("units wait for each other for ever");
    }
}

// So much shared memory and not a byte more: behind it is a page that cannot be touched.
static char *shared_of(size_t bytes) {
    constexpr size_t most = 256 << 10, page = 4096;
    static char *memory;
    if (!memory) {
        memory = (char *)mmap(nullptr, most + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory + most, page, PROT_NONE) != 0) fail("no memory");
    }
    // NaN: what a kernel reads that nobody wrote shows in its results.
    memset(memory, 0xff, most);
    return memory + most - (bytes + 127) / 128 * 128;
}

static void run_blocks(void **with, const unsigned *sizes, unsigned shared, bool waits) {
    parameters = with;
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    shared_memory = shared_of(shared);
    unsigned count = blockDim.x * blockDim.y * blockDim.z;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x; x++) {
                blockIdx = {x, y, z};
                if (waits) {
                    run_block(count);
                    continue;
                }
                for (current = 0; current < count; current++) {
                    threadIdx = place_of(current);
                    call_kernel();
                }
            }
}

// Waiting, and operations of a warp

static void __syncthreads() { pause(State::waits_for_block); }
static void __syncwarp(unsigned = ~0u) { pause(State::waits_for_warp); }

static unsigned lane() { return current % WARP; }

// A value of another unit of the warp; one's own where there is none.
template <class T> static T exchanged(T value, int from) {
    static char values[1024][16];
    static_assert(sizeof value <= sizeof values[0]);
    unsigned warp = current / WARP * WARP;
    memcpy(values[current], &value, sizeof value);
    pause(State::waits_for_warp);
    T other = value;
    if (from >= 0 && from < (int)WARP) memcpy(&other, values[warp + from], sizeof other);
    pause(State::waits_for_warp);
    return other;
}
template <class T> static T __shfl_sync(unsigned, T value, int from, int = WARP) { return exchanged(value, from % WARP); }
template <class T> static T __shfl_xor_sync(unsigned, T value, int mask, int = WARP) { return exchanged(value, lane() ^ mask); }
template <class T> static T __shfl_down_sync(unsigned, T value, int by, int = WARP) { return exchanged(value, lane() + by); }
template <class T> static T __shfl_up_sync(unsigned, T value, int by, int = WARP) { return exchanged(value, lane() - by); }

// One unit at a time runs, so every operation is atomic.

template <class T> static T replace(T *at, T with) {
    T before = *at;
    *at = with;
    return before;
}
template <class T> static T atomicAdd(T *at, T value) { return replace<T>(at, *at + value); }
template <class T> static T atomicSub(T *at, T value) { return replace<T>(at, *at - value); }
template <class T> static T atomicMax(T *at, T value) { return replace<T>(at, max(*at, value)); }
template <class T> static T atomicMin(T *at, T value) { return replace<T>(at, min(*at, value)); }
template <class T> static T atomicOr(T *at, T value) { return replace<T>(at, *at | value); }
template <class T> static T atomicExch(T *at, T value) { return replace<T>(at, value); }
template <class T> static T atomicCAS(T *at, T expected, T value) { return replace<T>(at, *at == expected ? value : *at); }

// Functions of CUDA that C++ lacks

template <class To, class From> static To bits_as(From x) {
    To y;
    static_assert(sizeof x == sizeof y);
    memcpy(&y, &x, sizeof y);
    return y;
}
static unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
static float __uint_as_float(unsigned x) { return bits_as<float>(x); }
static int __float_as_int(float x) { return bits_as<int>(x); }
static float __int_as_float(int x) { return bits_as<float>(x); }
static float __expf(float x) { return expf(x); }
static float __logf(float x) { return logf(x); }
static float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static float __fdividef(float a, float b) { return a / b; }
static int __popc(unsigned x) { return __builtin_popcount(x); }
static int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
template <class T> static T __ldg(const T *at) { return *at; }

// Matrix units

namespace nvcuda::wmma {
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
    static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
    static constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
    static constexpr int num_elements = rows * columns;
    T x[num_elements];
};

// Whether this unit is to do what the warp does, once all of the warp are there.
static bool first_of_warp(const void *at) {
    pause(State::waits_for_warp);
    if ((uintptr_t)at % 32 != 0) fail("matrix units ask for places at multiples of 32 bytes");
    return lane() == 0;
}

static size_t place(int row, int column, unsigned stride, bool by_columns) {
    return by_columns ? (size_t)column * stride + row : (size_t)row * stride + column;
}

template <class F> static void fill_fragment(F &to, float value) {
    if (lane() == 0) std::fill_n(to.x, F::num_elements, (std::remove_reference_t<decltype(to.x[0])>)value);
}

template <class F, class T> static void load(F &to, const T *from, unsigned stride, bool by_columns) {
    if (!first_of_warp(from)) return;
    for (int row = 0; row < F::rows; row++)
        for (int column = 0; column < F::columns; column++)
            to.x[row * F::columns + column] = from[place(row, column, stride, by_columns)];
}

template <class Use, int M, int N, int K, class T, class Layout>
static void load_matrix_sync(fragment<Use, M, N, K, T, Layout> &to, const T *from, unsigned stride) {
    load(to, from, stride, std::is_same_v<Layout, col_major>);
}
template <int M, int N, int K, class T>
static void load_matrix_sync(fragment<accumulator, M, N, K, T> &to, const T *from, unsigned stride, layout_t layout) {
    load(to, from, stride, layout == mem_col_major);
}

template <int M, int N, int K, class T>
static void store_matrix_sync(T *to, const fragment<accumulator, M, N, K, T> &from, unsigned stride, layout_t layout) {
    if (!first_of_warp(to)) return;
    for (int row = 0; row < M; row++)
        for (int column = 0; column < N; column++)
            to[place(row, column, stride, layout == mem_col_major)] = from.x[row * N + column];
}

template <int M, int N, int K, class A, class B, class LayoutA, class LayoutB, class C, class D>
static void mma_sync(fragment<accumulator, M, N, K, D> &d, const fragment<matrix_a, M, N, K, A, LayoutA> &a,
                     const fragment<matrix_b, M, N, K, B, LayoutB> &b, const fragment<accumulator, M, N, K, C> &c) {
    if (lane() != 0) return;
    float right[K * N], sums[M * N];
    for (int i = 0; i < K * N; i++) right[i] = float(b.x[i]);
    for (int i = 0; i < M * N; i++) sums[i] = float(c.x[i]);
    for (int row = 0; row < M; row++)
        for (int term = 0; term < K; term++) {
            float left = float(a.x[row * K + term]);
            for (int column = 0; column < N; column++) sums[row * N + column] += left * right[term * N + column];
        }
    for (int i = 0; i < M * N; i++) d.x[i] = D(sums[i]);
}
} // namespace nvcuda::wmma
