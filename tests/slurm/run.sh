#!/usr/bin/env bash
# Sweeps on a real Slurm: virtual nodes on loopback, killed, filled and lied to, and the bytes compared with those of one machine.
#
#   tests/slurm/run.sh PROGRAM [CASE...]            (make slurm-test)
#
# Installs nothing. Where Slurm is not there it says `skipped`, why, and ends with 0; MJOLNIR_SLURM=must makes that an error. Whatever it
# started and made is gone afterwards.
set -euo pipefail

PROGRAM=$(readlink -f "${1:?usage: tests/slurm/run.sh PROGRAM [CASE...]}")
shift
HERE=$(cd "$(dirname "$0")" && pwd)
TEMP=$(mktemp -d "${TMPDIR:-/tmp}/mjolnir-slurm.XXXXXX")
LOCAL=$TEMP/local      # the same sweep on this machine alone
BOX=$TEMP/box          # the box on the shared folder
PATIENCE=240           # seconds that anything may take; nothing waits for its own sake

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
fail() { printf '%4ds  FAILED: %s\n' "$SECONDS" "$*" >&2; exit 1; }
skip() {
    [ "${MJOLNIR_SLURM:-may}" != must ] || fail "Slurm cannot be tested: $*"
    say "skipped: $*"
    exit 0
}

# shellcheck source=tests/slurm/cluster.sh
. "$HERE/cluster.sh"

cleanup() {
    local code=$?
    trap - EXIT INT TERM
    set +e
    if [ "$code" != 0 ] && [ -d "$TEMP/slurm/log" ]; then
        tail -n 15 "$TEMP"/slurm/log/slurmctld.log "$TEMP"/out.* >&2 2> /dev/null
    fi
    [ -z "${RUNNING:-}" ] || kill -KILL "$RUNNING" 2> /dev/null
    cluster_down "$TEMP/slurm"
    umount "$TEMP"/full/data/sweeps 2> /dev/null
    rm -rf --one-file-system "$TEMP"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# wait_for WHAT COMMAND...: until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + PATIENCE))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "waited $PATIENCE s for $what"
        if [ -n "${RUNNING:-}" ] && ! kill -0 "$RUNNING" 2> /dev/null; then
            "$@" && return
            fail "the sweep ended before $what"
        fi
        sleep 0.2
    done
}

# code_of COMMAND...: its exit code.
code_of() { local code=0; "$@" > "$TEMP/out.run" 2>&1 || code=$?; echo "$code"; }
expect() { # WHAT WANTED GOT [TEXT]
    [ "$2" = "$3" ] || { cat "$TEMP/out.run" >&2; fail "$1: exit code $3, not $2"; }
    [ -z "${4:-}" ] || grep -q -- "$4" "$TEMP/out.run" || { cat "$TEMP/out.run" >&2; fail "$1: does not say: $4"; }
}

SWEEP=(run demo-sweep -p exchange=demo timeframe=4h null-sweeps=19 --set sweep.min-trades=20
    'sweep.over={fast=[2,3,4,5],slow=[8,12,16,20]}' 'sweep.where=fast < slow'
    'sweep.walk-forward={train="90d",test="30d"}' sweep.executor.look-every=2s)
SLURM=(-P slurm)
# sweep BOX MORE...: --set values last.
sweep() { local box=$1; shift; "$PROGRAM" --root "$box" "${SWEEP[@]}" "$@" "${SLURM[@]}"; }

new_box() {
    "$PROGRAM" init "$1" --yes > /dev/null
    "$PROGRAM" --root "$1" run made-up -p exchange=demo timeframe=4h market=edge \
        from=2020-01-01T00:00:00Z to=2020-10-27T00:00:00Z > /dev/null 2>&1
}

# again BOX: a box without its sweeps and their history.
again() { rm -rf --one-file-system "${1:?}/data/sweeps" "$1/data/processed"; }
id_of() { local dirs=("$1"/data/sweeps/*/plan.json); basename "$(dirname "${dirs[0]}")"; }
dir_of() { echo "$1/data/sweeps/$(id_of "$1")"; }
results() { find "$1"/data/sweeps/*/results -name '*.csv' 2> /dev/null | wc -l; }
has_results() { [ "$(results "$1")" -ge "$2" ]; }
has_array() { [ "$(arrays "$1")" -ge 1 ]; }
arrays() { find "$1"/data/sweeps/*/submits -name '*.done.json' 2> /dev/null | wc -l; }
comment_of() { echo "mjolnir:$(grep -o '"plan": "[0-9a-f]*"' "$(dir_of "$1")/submits/0001.json" | cut -d'"' -f4):"; }
queue_of() { squeue -h --me -t "$2" -o '%i|%T|%k' | grep -F "$(comment_of "$1")" || true; }
is_quiet() { [ -z "$(queue_of "$1" pending,running,completing)" ]; }

# same BOX: what one machine gives.
same() {
    local ours theirs file
    ours=$(dir_of "$1") theirs=$(dir_of "$LOCAL")
    [ "$(basename "$ours")" = "$(basename "$theirs")" ] || fail "$2: another plan: $ours"
    for file in trials.csv trials.parquet sweep.json sweep.html; do
        cmp "$ours/$file" "$theirs/$file" || fail "$2: $file differs"
    done
    [ "$(find "$ours/nulls" -name '*.json' | wc -l)" -ge 2 ] || fail "$2: null markets were not searched"
    # A shard that is killed while it writes leaves an unfinished file, which nothing reads.
    diff -r -x '*.tmp' "$ours/nulls" "$theirs/nulls" && diff -r -x '*.tmp' "$ours/walk" "$theirs/walk" || fail "$2: null markets or steps differ"
    say "ok: $2: the same bytes"
}

# In the background; RUNNING is its pid.
start() {
    local box=$1
    shift
    "$PROGRAM" --root "$box" "${SWEEP[@]}" "$@" "${SLURM[@]}" > "$TEMP/out.running" 2>&1 &
    RUNNING=$!
}
end_of_it() {
    local code=0 end=$((SECONDS + 2 * PATIENCE))
    while kill -0 "$RUNNING" 2> /dev/null; do
        [ "$SECONDS" -lt "$end" ] || { tail -n 5 "$TEMP/out.running" >&2; fail "the sweep does not end"; }
        # What an administrator does: a node that saw a task twice, because the controller was killed, is drained.
        if sinfo -h -t drain,draining,drained -o %N 2> /dev/null | grep -q n; then
            scontrol update "nodename=$(sinfo -h -t drain,draining,drained -o %N | paste -sd,)" state=resume 2> /dev/null || true
        fi
        sleep 0.5
    done
    wait "$RUNNING" || code=$?
    RUNNING=
    cp "$TEMP/out.running" "$TEMP/out.run"
    echo "$code" > "$TEMP/code"
}

# shellcheck source=tests/slurm/cases.sh
. "$HERE/cases.sh"

for program in sbatch squeue scancel scontrol sinfo slurmctld slurmd munged python3; do
    command -v "$program" > /dev/null || PATH=$PATH:/usr/sbin:/sbin
    command -v "$program" > /dev/null || skip "$program is not here (Debian: slurm-wlm munge python3)"
done
cluster_up "$TEMP/slurm" || skip "no cluster came up on this machine"
say "three nodes are up: $(slurmctld -V)"
new_box "$LOCAL"
new_box "$BOX"
SLURM=() EXIT_LOCAL=$(SLURM=(); code_of sweep "$LOCAL")
SLURM=(-P slurm)
case $EXIT_LOCAL in 0 | 1 | 3) ;; *) cat "$TEMP/out.run" >&2; fail "the sweep on this machine: exit code $EXIT_LOCAL" ;; esac

[ $# -gt 0 ] || set -- "${CASES[@]}"
for name in "$@"; do
    again "$BOX"
    "case_$name"
done
say "passed: $*"
