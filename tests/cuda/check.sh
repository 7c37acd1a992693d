#!/usr/bin/env bash
# Whether the sources of gpu-worker still fit candle with CUDA: lints and types, without a CUDA toolkit. Nothing is linked or run.
#
#   tests/cuda/check.sh        in the target folder of the package, beside what `make lint` left there
set -euo pipefail
cd "$(dirname "$0")/../.."
export NVCC="$PWD/tests/cuda/nvcc" CUDARC_CUDA_VERSION=12040 CUDA_COMPUTE_CAP=75 CUDAFORGE_THREADS=1
"${CARGO:-cargo}" clippy --release --locked --features cuda --bin gpu-worker -- -D warnings
