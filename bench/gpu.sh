#!/usr/bin/env bash
# Checks and measures the workbench on this machine's GPU, and writes one JSON: see README.md.
#
#   bench/gpu.sh                              # builds for CUDA where there is an NVIDIA driver, else for Vulkan
#   bench/gpu.sh --workbench BINARY --device cuda:1 --output results.json
#
# Needs Python 3.11. Where PyTorch for the card is installed, the same steps run there too. No network: crates have to be there
# where it builds.
set -euo pipefail
cd "$(dirname "$0")/.."
given=" $* "
device=vulkan
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so'; then
  device=cuda
fi
if [[ $given =~ ' --device '([a-z]+) ]]; then
  device=${BASH_REMATCH[1]}
fi
if [[ $given != *' --workbench '* ]]; then
  cargo build --release --features "$device" --bin workbench
fi
if [[ $given != *' --device '* ]]; then
  set -- --device "$device" "$@"
fi
exec python3 bench/gpu.py "$@"
