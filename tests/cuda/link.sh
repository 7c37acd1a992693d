#!/usr/bin/env bash
# Whether gpu-worker links with a real CUDA toolkit, starts with its libraries, and dies harmlessly of every driver that is broken:
# no card is needed. The toolkit comes from PyPI (1.2 GB), compiling takes a quarter of an hour, so that it is no part of `make test`.
#
#   tests/cuda/link.sh [DIR]      everything is kept in DIR (~/.cache/mjolnir/cuda)
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=${1:-$HOME/.cache/mjolnir/cuda}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
cargo=${CARGO:-cargo}

# Without these pins, pip takes the newest nvvm and crt beside an older nvcc.
wheels=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96
    nvidia-cuda-cccl==13.0.85 nvidia-cuda-nvrtc==13.0.88 nvidia-cublas==13.0.2.14 nvidia-curand==10.4.0.35)
if [ ! -e "$dir/toolkit/.complete" ]; then
    echo "installing: ${wheels[*]}"
    python3 -m venv --clear "$dir/python"
    "$dir/python/bin/pip" install --quiet --disable-pip-version-check --retries 5 "${wheels[@]}"
    rm -rf "$dir/toolkit"
    mkdir -p "$dir/toolkit/lib"
    wheel=$(echo "$dir"/python/lib/python3*/site-packages/nvidia/cu13)
    ln -s "$wheel/bin" "$wheel/nvvm" "$wheel/include" "$dir/toolkit/"
    ln -s "$wheel"/lib/lib* "$dir/toolkit/lib/"
    ln -s lib "$dir/toolkit/lib64"
    for name in cublas cublasLt cudart curand nvrtc; do
        ln -s "$(cd "$wheel/lib" && ls "lib$name".so.*)" "$dir/toolkit/lib/lib$name.so"
    done
    touch "$dir/toolkit/.complete"
fi

# Every function that the toolkit's header knows, in all the versions in which programs are linked with it.
mkdir -p "$dir/drivers"
{ echo cuProfilerStart; echo cuProfilerStop; grep -ohE '\bcu[A-Z][A-Za-z0-9]*' "$dir/toolkit/include/cuda.h"; } | sort -u |
    awk 'BEGIN { n = split("_v2 _v3 _v4 _ptsz _ptds _v2_ptsz _v2_ptds", of, " ") }
        { print "FUNCTION(" $1 ")"; for (i = 1; i <= n; i++) print "FUNCTION(" $1 of[i] ")" }' > "$dir/drivers/names.h"
driver() { # NAME WAY CODE
    mkdir -p "$dir/drivers/$1"
    cc -shared -fPIC -Wl,-soname,libcuda.so.1 -DWAY="$2" -DCODE="$3" -I "$dir/drivers" -o "$dir/drivers/$1/libcuda.so.1" tests/cuda/driver.c
}
driver no-card RETURN 100
driver unknown RETURN 999
driver foreign-code RETURN 35
driver says-yes RETURN 0
driver exits EXIT 0
driver spins SPIN 0
driver sleeps SLEEP 0
driver stands-still STOP 0
driver segfault SEGV 0
driver abort ABORT 0
ln -sfn "$dir/drivers/unknown/libcuda.so.1" "$dir/toolkit/lib/libcuda.so"

# What the image for a card ships: everything but a driver.
mkdir -p "$dir/libraries"
ln -sf "$dir"/toolkit/lib/lib{cublas,cublasLt,cudart,curand,nvrtc}.so.* "$dir/libraries/"

export CUDA_HOME=$dir/toolkit NVCC=$dir/toolkit/bin/nvcc CUDA_COMPUTE_CAP=75 CUDAFORGE_THREADS=1
PATH=$dir/toolkit/bin:$PATH LIBRARY_PATH=$dir/toolkit/lib CARGO_TARGET_DIR=$dir/target \
    "$cargo" build --release --locked --features cuda --bin gpu-worker

echo "linked: $(readelf -d "$dir/target/release/gpu-worker" | awk -F '[][]' '/NEEDED/ { printf "%s ", $2 }')"
MJOLNIR_CUDA=$dir "$cargo" test --release --locked --test it compute::linked -- --nocapture
