# Sourced by run.sh: what is done to sweeps on the cluster, one function per case. Each begins with a box without sweeps.

CASES=(sizes runner_killed between_the_files detached cancelled plan_edited full_folder memory not_shared refused
    missing_programs torn two_coordinators shard_killed node_killed controller_killed)

case_sizes() {
    local each
    for each in 1 64; do
        again "$BOX"
        expect "per-shard $each" "$EXIT_LOCAL" "$(code_of sweep "$BOX" sweep.executor.per-shard=$each)"
        same "$BOX" "per-shard $each"
    done
    again "$BOX"
    expect "all in one shard" "$EXIT_LOCAL" "$(code_of sweep "$BOX")"
    same "$BOX" "all in one shard"
    # A second run computes nothing and sends nothing.
    local before
    before=$(arrays "$BOX")
    expect "a second run" "$EXIT_LOCAL" "$(code_of sweep "$BOX")"
    [ "$(arrays "$BOX")" = "$before" ] || fail "a second run sent something"
    [ -z "$(ls "$(dir_of "$BOX")/logs")" ] || fail "logs of good shards stay"
}

case_runner_killed() {
    start "$BOX" sweep.executor.per-shard=1
    wait_for "two results" has_results "$BOX" 2
    kill -KILL "$RUNNING" && end_of_it
    expect "after the runner was killed" "$EXIT_LOCAL" "$(code_of sweep "$BOX" sweep.executor.per-shard=1)"
    same "$BOX" "the runner killed"
    [ "$(grep -l '"trials"' "$(dir_of "$BOX")"/submits/*.json | wc -l)" = 1 ] || fail "trials were sent twice"
}

# The array is accepted, and the runner dies before it can write its id.
case_between_the_files() {
    mkdir -p "$TEMP/bad"
    printf '#!/bin/sh\n"%s" "$@"\nkill -KILL $PPID\n' "$(command -v sbatch)" > "$TEMP/bad/sbatch"
    chmod +x "$TEMP/bad/sbatch"
    expect "killed by sbatch" 137 "$(PATH=$TEMP/bad:$PATH code_of sweep "$BOX" sweep.executor.per-shard=1)"
    [ "$(arrays "$BOX")" = 0 ] || fail "the id was written"
    [ -n "$(queue_of "$BOX" all)" ] || fail "the array was not accepted"
    expect "after that" "$EXIT_LOCAL" "$(code_of sweep "$BOX" sweep.executor.per-shard=1)" "is adopted"
    same "$BOX" "sbatch killed the runner"
    [ "$(grep -l '"trials"' "$(dir_of "$BOX")"/submits/*.json | wc -l)" = 1 ] || fail "the array was sent twice"
    # sbatch itself is killed before it sends anything: looked for three times, then sent again.
    again "$BOX"
    printf '#!/bin/sh\nrm -f "%s"\nkill -KILL $$\n' "$TEMP/bad/sbatch" > "$TEMP/bad/sbatch"
    expect "sbatch killed" "$EXIT_LOCAL" "$(PATH=$TEMP/bad:$PATH code_of sweep "$BOX")"
    same "$BOX" "sbatch killed before it sent"
}

# One that runs under this box.
shard_pid() { pgrep -f "$(dir_of "$BOX")/bin/.*/runner shard" | head -n 1; }
kill_a_shard() { local pid; pid=$(shard_pid) && kill -KILL "$pid" 2> /dev/null; }

case_shard_killed() {
    start "$BOX" sweep.executor.per-shard=1
    wait_for "a result" has_results "$BOX" 1
    wait_for "a shard to kill" kill_a_shard
    end_of_it
    expect "a shard killed" "$EXIT_LOCAL" "$(cat "$TEMP/code")"
    same "$BOX" "a shard killed"
}

case_node_killed() {
    start "$BOX" sweep.executor.per-shard=1
    wait_for "two results" has_results "$BOX" 2
    kill -KILL "$(cat "$TEMP/slurm/run/slurmd.n2.pid")"
    for pid in $(pgrep slurmstepd || true); do
        if ls -l "/proc/$pid/fd" 2> /dev/null | grep -q "$TEMP/slurm/.*n2"; then kill -KILL "$pid" || true; fi
    done
    end_of_it
    expect "a node killed" "$EXIT_LOCAL" "$(cat "$TEMP/code")"
    same "$BOX" "a node killed"
    node_up "$TEMP/slurm" 2
    wait_for "the node" nodes_idle main 3
}

case_controller_killed() {
    start "$BOX" sweep.executor.per-shard=1
    wait_for "two results" has_results "$BOX" 2
    kill -KILL "$(cat "$TEMP/slurm/run/slurmctld.pid")"
    # Long enough that the queue is asked in vain.
    wait_for "a look in vain" grep -q "does not answer" "$TEMP/out.running"
    slurmctld -f "$SLURM_CONF"
    end_of_it
    expect "the controller killed" "$EXIT_LOCAL" "$(cat "$TEMP/code")"
    same "$BOX" "the controller killed"
}

case_detached() {
    start "$BOX" sweep.executor.per-shard=1
    wait_for "two results" has_results "$BOX" 2
    kill -INT "$RUNNING" && end_of_it
    expect "detached" 130 "$(cat "$TEMP/code")"
    wait_for "the cluster, which goes on alone" has_results "$BOX" 16
    expect "after that" "$EXIT_LOCAL" "$(code_of sweep "$BOX")"
    same "$BOX" "detached"
}

case_cancelled() {
    start "$BOX" sweep.executor.per-shard=1
    wait_for "two results" has_results "$BOX" 2
    "$PROGRAM" --root "$BOX" sweep cancel "$(id_of "$BOX")" > /dev/null
    end_of_it
    expect "cancelled" 130 "$(cat "$TEMP/code")"
    wait_for "the queue to empty" is_quiet "$BOX"
    "$PROGRAM" --root "$BOX" sweep status > "$TEMP/out.run" && grep -q cancelled "$TEMP/out.run" || fail "status does not say cancelled"
    expect "run again" "$EXIT_LOCAL" "$(code_of sweep "$BOX")"
    same "$BOX" "cancelled and run again"
}

case_plan_edited() {
    local plan
    expect "at first" "$EXIT_LOCAL" "$(code_of sweep "$BOX")"
    plan=$(dir_of "$BOX")/plan.json
    sed -i 's/"min_trades": 20/"min_trades": 2/' "$plan"
    expect "the runner" 65 "$(code_of sweep "$BOX")" "was changed"
    expect "a shard" 65 "$(code_of "$PROGRAM" shard --plan "$plan" --submit 1 --index 0)" "was changed"
    # Shards that run while somebody edits it end the sweep.
    again "$BOX"
    scontrol update partitionname=main state=down
    start "$BOX" sweep.executor.per-shard=1
    wait_for "the array" has_array "$BOX"
    sed -i 's/"min_trades": 20/"min_trades": 2/' "$(dir_of "$BOX")/plan.json"
    scontrol update partitionname=main state=up
    end_of_it
    expect "edited under way" 65 "$(cat "$TEMP/code")" "was changed"
    [ ! -e "$(dir_of "$BOX")/sweep.json" ] || fail "there is a verdict"
    say "ok: an edited plan is refused by the runner, by a shard, and under way"
    wait_for "the queue to empty" is_quiet "$BOX"
}

case_full_folder() {
    local full=$TEMP/full size
    size=$(($(stat -c %s "$PROGRAM") + (24 << 20)))
    new_box "$full"
    mkdir -p "$full/data/sweeps"
    if ! mount -t tmpfs -o "size=$size" tmpfs "$full/data/sweeps" 2> /dev/null; then
        say "skipped: a full folder: no mount is allowed here"
        return
    fi
    scontrol update partitionname=main state=down
    start "$full" sweep.executor.per-shard=1 run.disk-free-min=1KiB
    wait_for "the array" has_array "$full"
    dd if=/dev/zero of="$full/data/sweeps/filler" bs=4096 2> /dev/null || true
    scontrol update partitionname=main state=up
    end_of_it
    case $(cat "$TEMP/code") in 69 | 74) ;; *) cat "$TEMP/out.run"; fail "a full folder: exit code $(cat "$TEMP/code")" ;; esac
    [ ! -e "$(dir_of "$full")/sweep.json" ] || fail "there is a verdict on a full folder"
    ! find "$full/data/sweeps" -name '*.csv' -size 0 | grep -q . || fail "a result without content"
    rm "$full/data/sweeps/filler"
    wait_for "the queue to empty" is_quiet "$full"
    expect "with room again" "$EXIT_LOCAL" "$(code_of sweep "$full" run.disk-free-min=1KiB)"
    same "$full" "a folder that was full"
    umount "$full/data/sweeps"
}

# Slurm kills what takes more than it asked for.
case_memory() {
    expect "out of memory" 69 "$(code_of sweep "$BOX" sweep.executor.mem=1MiB sweep.executor.attempts=2 sweep.doubt.null-sweeps=39 \
        sweep.executor.extra='["--exclusive"]' sweep.trials=20000 'sweep.over={fast={from=2,to=40,step=1},slow={from=41,to=400,step=1}}')" \
        "have no result after 2 attempts"
    [ ! -e "$(dir_of "$BOX")/sweep.json" ] || fail "there is a verdict"
    say "ok: a shard out of memory is tried again, and then said"
}

case_not_shared() {
    if ! unshare --mount true 2> /dev/null; then
        say "skipped: a folder that is not shared: no mount of our own is allowed here"
        return
    fi
    # The node sees an empty folder in the place of the box.
    mkdir -p "$TEMP/slurm/spool.n4"
    unshare --mount sh -c "mount --make-rprivate / && mount -t tmpfs tmpfs '$BOX/data' && exec slurmd -f '$SLURM_CONF' -N n4"
    wait_for "the node apart" nodes_idle apart 1
    expect "not shared" 69 "$(code_of sweep "$BOX" sweep.executor.partition=apart sweep.executor.attempts=1)" "the same folder on every node"
    say "ok: a folder that is not shared"
}

case_refused() {
    expect "no such partition" 69 "$(code_of sweep "$BOX" sweep.executor.partition=nothing)" "refused the array"
    expect "too much memory" 69 "$(code_of sweep "$BOX" sweep.executor.mem=1TiB)" "refused the array"
    expect "an option that is none" 69 "$(code_of sweep "$BOX" 'sweep.executor.extra=["--no-such-thing"]')" "refused the array"
    expect "and then a good call" "$EXIT_LOCAL" "$(code_of sweep "$BOX")"
    same "$BOX" "refused and then taken"
    # So many jobs are not allowed now, and are a moment later.
    again "$BOX"
    mkdir -p "$TEMP/full-queue"
    printf '#!/bin/sh\nrm -f "%s"\necho "sbatch: error: AssocMaxSubmitJobLimit" >&2\nexit 1\n' "$TEMP/full-queue/sbatch" > "$TEMP/full-queue/sbatch"
    chmod +x "$TEMP/full-queue/sbatch"
    expect "a limit on jobs" "$EXIT_LOCAL" "$(PATH=$TEMP/full-queue:$PATH code_of sweep "$BOX")" "takes nothing more for now"
    same "$BOX" "a limit on jobs is waited out"
}

case_missing_programs() {
    mkdir -p "$TEMP/empty"
    expect "no Slurm" 69 "$(PATH=$TEMP/empty code_of "$PROGRAM" --root "$BOX" "${SWEEP[@]}" -P slurm)" "on PATH"
    say "ok: programs of Slurm that are missing"
}

# Another machine has the sweep: this one sends nothing, and goes on at once when that one ends.
case_two_coordinators() {
    local doc
    scontrol update partitionname=main state=down
    start "$BOX"
    wait_for "the array" has_array "$BOX"
    kill -KILL "$RUNNING" && end_of_it
    doc=$(dir_of "$BOX")/coordinator.json
    [ -f "$doc" ] || fail "a coordinator that was killed left no trace"
    scancel --user="$(id -un)"
    wait_for "the queue to empty" is_quiet "$BOX"
    rm -rf "$(dir_of "$BOX")/submits"
    sed -i 's/"host": "[^"]*"/"host": "elsewhere"/' "$doc"
    scontrol update partitionname=main state=up
    start "$BOX"
    wait_for "the word that it watches" grep -q "elsewhere coordinates this sweep: this one watches" "$TEMP/out.running"
    has_array "$BOX" && fail "a second coordinator sent something"
    [ "$(results "$BOX")" = 0 ] || fail "a result came from nowhere"
    rm "$doc"
    end_of_it
    expect "the other one ended" "$EXIT_LOCAL" "$(cat "$TEMP/code")"
    same "$BOX" "two coordinators"
}

# A result that is there with other bytes: nothing is overwritten, both stay.
case_torn() {
    local dir file
    scontrol update partitionname=main state=down
    start "$BOX"
    wait_for "the array" has_array "$BOX"
    dir=$(dir_of "$BOX")
    for file in "$(dir_of "$LOCAL")"/results/*.csv; do echo "torn" > "$dir/results/$(basename "$file")"; done
    scontrol update partitionname=main state=up
    end_of_it
    expect "torn results" "$EXIT_LOCAL" "$(cat "$TEMP/code")" "is not whole"
    [ -n "$(ls "$dir/quarantine")" ] || fail "torn results were not kept"
    same "$BOX" "torn results"
}
