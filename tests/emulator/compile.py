"""Compiles the CUDA C++ of one kernel into a library that runs it: `python3 compile.py KERNEL.cu LIBRARY.so`.

Called by the emulated NVRTC. `CUDA_PATH` names the folder of CUDA's headers, `CUDA_EMULATOR_KEEP` the one of what is compiled.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ["-std=c++20", "-O2", "-ffp-contract=fast", "-w", "-fpermissive", "-fPIC"]
# What units.h has in their place.
REPLACED = r"#include\s*<(cuda_runtime|mma|cooperative_groups[^>]*|cuda/[^>]*)(\.h)?>"
KERNEL = r"__global__\s+void\s*(?:__\w+__\s*\([^)]*\)\s*)*(\w+)\s*\("


def parameters(source: str, start: int) -> list[str]:
    """What stands between the parentheses that open before `start`, one by one."""
    parts, depth, current = [], 1, ""
    for letter in source[start:]:
        depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(letter, 0)
        if depth == 0:
            break
        if letter == "," and depth == 1:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in [*parts, current] if part.strip()]


def argument(parameter: str, place: int) -> str:
    """The value of a parameter in the driver's array of pointers."""
    words = parameter.replace("__grid_constant__", "").replace("__restrict__", "")
    kind = re.match(r"(.*?)\w+\s*$", words.strip(), re.S)[1].strip()
    if not kind.endswith("*"):
        kind = kind.removeprefix("const ")
    return f"*(({kind} *)parameters[{place}])"


def translate(source: str) -> str:
    """A C++ program of the kernel."""
    source = re.sub(REPLACED, "", source)
    found = re.search(KERNEL, source)
    arguments = [argument(part, place) for place, part in enumerate(parameters(source, found.end()))]
    shared = r"extern\s+__shared__\s+(?:__align__\(\d+\)\s*)?([\w ]+?)\s+(\w+)\[\];"
    source = re.sub(shared, r"\1 *\2 = (\1 *)shared_memory;", source)
    waits = "true" if "sync" in source else "false"
    call = f"static void call_kernel() {{ {found[1]}({', '.join(arguments)}); }}"
    run = "void run_kernel(void **p, const unsigned *sizes, unsigned shared)"
    return f'#include "units.h"\n{source}\n{call}\nextern "C" {run} {{ run_blocks(p, sizes, shared, {waits}); }}\n'


def compiled(what: list[object], to: Path) -> None:
    """Runs the compiler. Its result is renamed when it is whole: another process may look for it."""
    partial = to.with_suffix(f".{os.getpid()}")
    cuda = f"-I{os.environ['CUDA_PATH']}/include"
    subprocess.run([os.environ.get("CXX", "g++"), *FLAGS, cuda, *what, "-o", partial], check=True)
    partial.rename(to)


def header(keep: Path) -> Path:
    """The folder of `units.h`, read once for all kernels."""
    folder = keep / f"header-{hashlib.sha256((HERE / 'units.h').read_bytes()).hexdigest()[:16]}"
    ready = folder / "units.h.gch"
    if not ready.exists():
        folder.mkdir(exist_ok=True)
        shutil.copy(HERE / "units.h", folder)
        compiled(["-x", "c++-header", folder / "units.h"], ready)
    return folder


def main() -> None:
    kernel, library = map(Path, sys.argv[1:])
    program = kernel.with_suffix(".cpp")
    program.write_text(translate(kernel.read_text()))
    folder = header(Path(os.environ["CUDA_EMULATOR_KEEP"]))
    compiled([f"-I{folder}", "-shared", program], library)


if __name__ == "__main__":
    main()
