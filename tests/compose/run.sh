#!/usr/bin/env bash
# The box in containers, for real: a paper loop that trades against the simulated venue, looked into and hurt from outside.
#
#   tests/compose/run.sh PROGRAM            (make compose-test)
#
# Installs nothing. Where no container engine can run it says `skipped`, why, and ends with 0; MJOLNIR_CONTAINERS=must makes that an
# error. Whatever it started and made is gone afterwards, but for the base of the images (see engine.sh).
set -euo pipefail

PROGRAM=$(readlink -f "${1:?usage: tests/compose/run.sh PROGRAM}")
REPO=$(cd "$(dirname "$0")/../.." && pwd)
TEMP=$(mktemp -d "${TMPDIR:-/tmp}/mjolnir-compose.XXXXXX")
BOX=$TEMP/box                       # the box: what somebody has who was given the project
NAME=mjolnir-test-$$
IMAGE=$NAME:box
# Files of the box belong to this user. Root stands for somebody else; anybody else stands for himself.
if [ "$(id -u)" = 0 ]; then OWNER=12345 GROUP=12346; else OWNER=$(id -u) GROUP=$(id -g); fi
EXCHANGE_PORT=${MJOLNIR_TEST_PORT:-18080}
TOKEN=canary-$$-0123456789abcdef    # a secret that must not be found anywhere
TF_MS=60000
LONG_ROWS=2000000                   # of a loop that has decided each minute for almost four years
LEDGER=$BOX/data/processed/decisions/demo/BTC_USD/1m/decisions.csv

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
fail() { printf '%4ds  FAILED: %s\n' "$SECONDS" "$*" >&2; exit 1; }
skip() {
    [ "${MJOLNIR_CONTAINERS:-may}" != must ] || fail "the containers cannot be tested: $*"
    say "skipped: $*"
    exit 0
}

# shellcheck source=tests/compose/engine.sh
. "$REPO/tests/compose/engine.sh"

# Compose as somebody types it, in the folder of the box. Only .env says what it is about: no variable of this shell gets in.
box() {
    (cd "$BOX" && env -i PATH="$PATH" HOME="$TEMP" DOCKER_HOST="${DOCKER_HOST:-}" FAST_FROM="$FAST_FROM" \
        "${COMPOSE[@]}" -p "$NAME" -f docker-compose.yml "$@")
}
fast() { box -f tests/compose/fast.yml --profile demo "$@"; }
demo() { box --profile demo "$@"; }
in_paper() { docker exec "$(id_of paper)" "$@"; }
id_of() { docker ps -aq --filter "label=com.docker.compose.project=$NAME" --filter "label=com.docker.compose.service=$1" --filter "label=com.docker.compose.oneoff=False"; }
inspect() { docker inspect --format "$2" "$(id_of "$1")"; }

cleanup() {
    local code=$?
    trap - EXIT INT TERM
    if [ "$code" != 0 ] && [ -n "${COMPOSE:-}" ] && [ -d "$BOX" ]; then
        demo logs --no-color --tail 15 >&2 2> /dev/null || true
    fi
    if [ -f "$BOX/docker-compose.yml" ] && [ -n "${BUILDER:-}" ]; then
        demo down --timeout 5 --volumes --remove-orphans > /dev/null 2>&1 || true
        docker image rm --force "$IMAGE" > /dev/null 2>&1 || true
    fi
    stop_engine
    rm -rf --one-file-system "$TEMP"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits until a command succeeds: seconds, what is waited for, command.
await() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: waited in vain for: $*"
        sleep 0.2
    done
}

rows() { if [ -f "$LEDGER" ]; then awk 'END {print (NR > 0 ? NR - 1 : 0)}' "$LEDGER"; else echo 0; fi; }
rows_at_least() { [ "$(rows)" -ge "$1" ]; }
last_ts_ms() { tail -n 1 "$LEDGER" | cut -d, -f4; }
now_ms() { date +%s%3N; }

# One row per slot, from the first one to the last one: no hole, no repeat, and nothing behind the last newline.
ledger_is_exact() {
    [ -z "$(tail -c 1 "$LEDGER")" ] || fail "$LEDGER does not end with a whole row"
    local wrong
    wrong=$(awk -F, -v tf="$TF_MS" 'NF != 17 {print "line " NR " has " NF " fields"} NR > 2 && $4 - p != tf {print "hole or repeat at " $4} {p = $4}' "$LEDGER")
    [ -z "$wrong" ] || fail "$LEDGER: $wrong"
}

# The program inside a container, as this machine numbers it: the child of the container's init.
program_pid() { pid_in "$(id_of "$1")"; }
pid_in() {
    local init
    init=$(docker inspect --format '{{.State.Pid}}' "$1")
    cut -d' ' -f1 < "/proc/$init/task/$init/children"
}

lay_out_the_box() {
    mkdir -p "$BOX" "$TEMP/empty"
    local one
    for one in Cargo.toml Cargo.lock src jobs profiles strategies ops tests/compose Dockerfile Dockerfile.lab .dockerignore \
        docker-compose.yml docker-compose.gpu.yml .env.example; do
        mkdir -p "$BOX/$(dirname "$one")"
        cp -R "$REPO/$one" "$BOX/$one"
    done
    # The example, with the demo switched on as it says, and what is special here.
    awk '/^# --- demo/ {demo = 1} /^# --- the scheduler/ {demo = 0}
         demo && /^#[A-Z_]+=/ {sub("#", "")} !demo && /^(DATA_TAG|CCXT_EXCHANGE|TIMEFRAME)=/ {next}
         !/^(UID|GID)=/ {print}' "$BOX/.env.example" > "$BOX/.env"
    cat >> "$BOX/.env" << END
UID=$OWNER
GID=$GROUP
MJOLNIR_IMAGE=$IMAGE
EXCHANGE_PORT=$EXCHANGE_PORT
MJOLNIR_HEALTH_INTERVAL=2s
JUPYTER_TOKEN=$TOKEN
END
    mkdir -p "$BOX/data" "$BOX/notebooks" "$BOX/target/image"
    chown "$OWNER:$GROUP" "$BOX/data" "$BOX/notebooks" "$TEMP/empty"
    chmod 755 "$TEMP" "$BOX"
    [ -z "$ENGINE_PID" ] || chown "$OWNER" "$TEMP/docker.sock"
    FAST_FROM=$(date -u -d '6 hours ago' +%Y-%m-%dT%H:%M:00Z)
}

nothing_private_reaches_an_image() {
    say "step: what a build may copy"
    # Everything that could be in the folder of somebody who builds.
    mkdir -p "$BOX/.git" "$BOX/jobs/.git" "$BOX/target/release"
    for one in .git/config data/ledger.csv notebooks/own.ipynb target/release/runner target/image/other jobs/.env src/.env.local src/tls.pem id_ed25519 .ssh.key; do
        echo "$TOKEN" > "$BOX/$one"
    done
    printf 'FROM scratch\nCOPY . /\n' > "$TEMP/Dockerfile.all"
    DOCKER_BUILDKIT=1 "$BUILDER" build -q -f "$TEMP/Dockerfile.all" -o "type=tar,dest=$TEMP/context.tar" "$BOX" > /dev/null
    local found
    found=$(tar -tf "$TEMP/context.tar" | grep -vE '/$' | grep -vE '^(Cargo\.(toml|lock)|src/.*\.rs|src/language/kernels/tests/expected/(expected\.txt|generate\.py)|src/exchange/venue/tests/sent/[a-z]+\.toml|src/report/page\.css|src/pages/[a-z]+\.(css|js)|src/sweep/tests/expected/(expected\.txt|generate\.py)|(jobs|profiles)/[a-z0-9-]+\.toml|strategies/(examples/)?[a-z0-9_]+\.(toml|py)|ops/lab/[a-z_]+\.(py|txt)|target/image/runner)$' || true)
    [ -z "$found" ] || fail "a build can copy: $found"
    ! grep -q "$TOKEN" "$TEMP/context.tar" || fail "a secret can be copied into an image"
    rm -rf "$BOX/.git" "$BOX/jobs/.git" "$BOX/jobs/.env" "$BOX/src/.env.local" "$BOX/src/tls.pem" "$BOX/data/ledger.csv" "$BOX/notebooks/own.ipynb"
}

image_is_made() {
    say "step: the image, from $BASE and the program that was built"
    strip --strip-debug -o "$BOX/target/image/runner" "$PROGRAM"
    chmod 755 "$BOX/target/image/runner"
    local build=(--build-arg BINARY=prebuilt --build-arg "BASE=$BASE" -t "$IMAGE")
    DOCKER_BUILDKIT=1 "$BUILDER" build -q "${build[@]}" --build-arg "UID=$OWNER" --build-arg "GID=$GROUP" "$BOX" > "$TEMP/build.log" 2>&1 ||
        { cat "$TEMP/build.log" >&2; fail "the image cannot be built"; }
    if DOCKER_BUILDKIT=1 "$BUILDER" build -q "${build[@]:0:4}" --build-arg UID=0 "$BOX" > "$TEMP/build.log" 2>&1; then
        fail "an image that root runs was built"
    fi
    local base_bytes bytes
    base_bytes=$(docker image inspect --format '{{.Size}}' "$BASE")
    bytes=$(docker image inspect --format '{{.Size}}' "$IMAGE")
    say "image: $((bytes / 1048576)) MiB, $(((bytes - base_bytes) / 1048576)) MiB of it ours, user $(docker image inspect --format '{{.Config.User}}' "$IMAGE")"
    [ $((bytes - base_bytes)) -lt 104857600 ] || fail "the image is too large: was the program stripped?"
    ! docker history --no-trunc "$IMAGE" | grep -q "$TOKEN" || fail "a secret stands in the history of the image"
    docker run --rm --read-only --network none "$IMAGE" --version > /dev/null
    docker run --rm --read-only --network none --entrypoint test "$IMAGE" -s /etc/ssl/certs/ca-certificates.crt || fail "no certificates in the image"
}

loop_trades_against_the_venue() {
    say "step: the demo in fast motion, from $FAST_FROM on"
    fast run --rm --no-deps -T paper check jobs > /dev/null 2>&1
    fast up -d --no-build exchange > /dev/null 2>&1
    await 30 "the venue gets healthy" healthy exchange
    fast up -d --no-build paper > /dev/null 2>&1
    await 60 "10 decided bars" rows_at_least 10
    ledger_is_exact
    awk -F, 'NR > 1 && ($1 != "binance" || $2 != "BTC/USD" || $3 != "1m")' "$LEDGER" | grep . && fail "rows of another series"
    say "$(rows) bars decided"
}

healthy() { [ "$(inspect "$1" '{{.State.Health.Status}}')" = healthy ]; }

# Looks at a running service from outside, as the engine and the kernel see it.
service_is_confined() {
    local service=$1 pid status value
    pid=$(program_pid "$service")
    status=/proc/$pid/status
    for value in CapInh CapPrm CapEff CapBnd CapAmb; do
        grep -qE "^$value:\s0+$" "$status" || fail "$service has capabilities: $(grep "^$value" "$status")"
    done
    grep -qE '^NoNewPrivs:\s1$' "$status" || fail "$service may gain rights"
    grep -qE '^Seccomp:\s2$' "$status" || fail "$service has all system calls"
    grep -qE "^Uid:\s$OWNER\s$OWNER\s$OWNER\s$OWNER$" "$status" || fail "$service runs as another user: $(grep ^Uid "$status")"
    grep -qE "^Gid:\s$GROUP\s" "$status" || fail "$service runs as another group: $(grep ^Gid "$status")"
    [ "$(inspect "$service" '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}')" = "true false" ] || fail "$service may write its root"
    local place
    for place in / /etc /usr/local/bin /box /box/jobs /box/profiles /var/tmp; do
        ! docker exec "$(id_of "$service")" touch "$place/probe" 2> /dev/null || fail "$service can write $place"
    done
    docker exec "$(id_of "$service")" cp /bin/true /tmp/probe
    ! docker exec "$(id_of "$service")" /tmp/probe > /dev/null 2>&1 || fail "$service can run what it wrote to /tmp"
    ! inspect "$service" '{{json .Mounts}}' | grep -q docker.sock || fail "$service has the engine's socket"
    [ "$(inspect "$service" '{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}} {{index .HostConfig.LogConfig.Config "max-file"}}')" = "json-file 10m 5" ] ||
        fail "the log of $service has no limit"
    [ "$(inspect "$service" '{{.HostConfig.PidsLimit}}')" -gt 0 ] || fail "$service may start any number of processes"
    [ "$(inspect "$service" '{{.HostConfig.Memory}}')" -gt 0 ] || fail "$service may take all memory"
    [ "$(inspect "$service" '{{.HostConfig.RestartPolicy.Name}}')" = unless-stopped ] || fail "$service does not come back"
    ! inspect "$service" '{{json .Config}}' | grep -q "$TOKEN" || fail "$service is told a secret that is none of its business"
    say "$service: user $OWNER:$GROUP, no capabilities, no new rights, root read-only, log and memory bounded"
}

host_sees_only_what_it_should() {
    say "step: files and ports on this machine"
    local foreign
    foreign=$(find "$BOX/data" ! -uid "$OWNER" -o ! -gid "$GROUP" | head -n 3)
    [ -z "$foreign" ] || fail "files that do not belong to $OWNER:$GROUP: $foreign"
    # Sockets that listen (state 0A) in the engine's network: the published port is there, and on 127.0.0.1 alone.
    local net=/proc/${ENGINE_PID:-self}/net port loopback others
    port=$(printf '%04X' "$EXCHANGE_PORT")
    loopback=$(awk -v port=":$port" '$4 == "0A" && $2 == "0100007F" port' "$net/tcp" | wc -l)
    others=$(cat "$net/tcp" "$net/tcp6" | awk -v port=":$port" '$4 == "0A" && $2 ~ port "$" && $2 != "0100007F" port {print $2}')
    [ -z "$others" ] || fail "port $EXCHANGE_PORT listens on more than 127.0.0.1: $others"
    [ "$loopback" = 1 ] || fail "nobody listens on 127.0.0.1:$EXCHANGE_PORT"
    [ "$(inspect exchange '{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}')" = "127.0.0.1:$EXCHANGE_PORT " ] ||
        fail "the engine publishes more than it should"
    [ "$(inspect paper '{{range .NetworkSettings.Ports}}{{.}}{{end}}')" = "" ] || fail "paper publishes a port"
    say "files belong to $OWNER:$GROUP, port $EXCHANGE_PORT listens on 127.0.0.1 only"
}

killed_loop_comes_back() {
    say "step: the loop is killed with SIGKILL, three times"
    local life pid before
    for life in 1 2 3; do
        pid=$(program_pid paper) before=$(rows)
        kill -KILL "$pid"
        await 20 "life $life: paper has another process" another_process paper "$pid"
        await 60 "life $life: paper goes on deciding" rows_at_least $((before + 5))
        ledger_is_exact
    done
    [ "$(inspect paper '{{.RestartCount}}')" -ge 3 ] || fail "the engine did not start it again"
    say "$(rows) bars decided, no hole, no repeat"
}

# A process id means another process in every container: runs are told apart by what they hold.
lives_are_told_apart() {
    local states
    states=$(in_paper runner history live --json | tr ',' '\n' | grep -oE '"state": *"[a-z]+"' | grep -oE '[a-z]+"$' | sort | uniq -c | tr -s ' \n' ' ')
    [ "$states" = ' 3 lost" 1 running" ' ] || fail "three killed lives and one that goes on are recorded as:$states"
    # Seen from another container, too.
    states=$(fast run --rm --no-deps -T paper history live --last 1 2> /dev/null)
    grep -q running <<< "$states" || fail "from another container the loop seems dead: $states"
    say "history: 3 lost, 1 running, from every container"
}

replay_agrees() {
    say "step: eqflat, in the container, while the loop goes on"
    local said
    said=$(in_paper runner run jobs/eqflat.toml -p "runid=$1" 2> "$TEMP/said") || fail "eqflat: $said $(cat "$TEMP/said")"
    [ "$(grep -cE '^\[(decisions|trades)\] PASS' <<< "$said")" = 2 ] || fail "eqflat: $said"
    say "$(grep -E '^\[(decisions|trades)\]' <<< "$said" | tr '\n' ' ')"
}

loop_stops_in_peace() {
    say "step: stop, within the grace period, with the slot finished"
    local from=$SECONDS
    fast stop paper > /dev/null 2>&1
    [ "$(inspect paper '{{.State.ExitCode}}')" = 0 ] || fail "stopped with exit code $(inspect paper '{{.State.ExitCode}}')"
    [ $((SECONDS - from)) -lt 30 ] || fail "it took $((SECONDS - from)) s to stop"
    ledger_is_exact
    fast rm --force --stop exchange paper > /dev/null 2>&1
}

# Bars made up by the program, their replay, and that as the ledger of a loop.
long_ledger_is_made() {
    local first=1609459200 data=$BOX/data/processed one
    LONG_TO=$((first + LONG_ROWS * 60 - 60))
    LONG=(-p tag=long exchange=demo symbol=BTC/USD timeframe=1m)
    say "step: a ledger of $LONG_ROWS rows"
    made() { as_owner env -i PATH="$PATH" "$BOX/target/image/runner" run "$@" --root "$BOX" > "$TEMP/said" 2>&1 || { tail -n 5 "$TEMP/said" >&2; fail "no long ledger: $*"; }; }
    made jobs/made-up.toml -p "${LONG[@]:2}" "from=${first}000" "to=${LONG_TO}000"
    made jobs/backtest.toml "${LONG[@]}" runid=seed
    for one in decisions trades; do mv "$data/$one/long_bt_seed" "$data/$one/long"; done
    LEDGER=$data/decisions/long/BTC_USD/1m/decisions.csv
    awk -F, 'BEGIN {print "ts_ms,origin,seen_at_ms,late_ms,run_id"} NR > 1 {printf "%s,live,%.0f,2100,live_1\n", $4, $4 + 2100}' "$LEDGER" > "$(dirname "$LEDGER")/timing.csv"
    chown -R "$OWNER:$GROUP" "$data"
    [ "$(rows)" = "$LONG_ROWS" ] || fail "the long ledger has $(rows) rows"
}

# The loop goes on in made-up time, a minute a second, and every row before is proved beside it, by the loop and by a healthcheck.
long_ledger_fits_in_the_memory() {
    local demo_ledger=$LEDGER loop start before peak one
    long_ledger_is_made
    for start in "from the first row on" "behind the checkpoint"; do
        before=$(rows)
        loop=$(box run -d --no-deps -T paper run jobs/live.toml "${LONG[@]}" feed=synthetic speed=60x \
            "from=$(last_ts_ms)" "to=$((LONG_TO + 86400))000" 2> /dev/null)
        await 300 "the loop decides behind $before rows" rows_at_least $((before + 3))
        docker exec "$loop" runner run jobs/healthcheck.toml "${LONG[@]}" exit=docker scheduler=off fold=true "at=$(($(last_ts_ms) + 30000))" > "$TEMP/said" 2>&1 ||
            { cat "$TEMP/said" >&2; fail "the healthcheck beside the loop"; }
        grep -qE '^ok +fold +[0-9]+ rows and [0-9]+ trade rows proved' "$TEMP/said" || fail "the healthcheck proved no rows: $(cat "$TEMP/said")"
        peak=$(($(awk '/^VmHWM/ {print $2}' "/proc/$(pid_in "$loop")/status") / 1024))
        docker stop --time 60 "$loop" > /dev/null
        # 143: made-up time has an end, and the loop was stopped before it.
        one=$(docker inspect --format '{{.HostConfig.Memory}} {{.State.OOMKilled}} {{.State.ExitCode}}' "$loop")
        [ "$one" = "536870912 false 143" ] || fail "the loop under its limit: memory, killed for it, exit code: $one"
        docker rm "$loop" > /dev/null
        [ "$peak" -lt 100 ] || fail "the loop took $peak MiB at most"
        ledger_is_exact
        say "$start: $(rows) rows, peak of the loop $peak MiB of 512"
    done
    rm -rf "$BOX/data/raw/demo" "$BOX"/data/processed/*/long
    LEDGER=$demo_ledger
}

demo_runs_in_real_time() {
    say "step: ops/boot.sh starts the demo as it is shipped, at the present time"
    boot > "$TEMP/said" 2>&1 || { cat "$TEMP/said" >&2; fail "ops/boot.sh does not start the box"; }
    grep -q ' boot: up, on the ' "$BOX/data/logs/boot.log" || fail "ops/boot.sh wrote no log"
    await 100 "the loop catches up with the clock" is_up_to_date
    ledger_is_exact
    await 30 "paper gets healthy" healthy paper
    await 30 "exchange gets healthy" healthy exchange
    say "$(rows) bars decided, the last one closed $((($(now_ms) - $(last_ts_ms)) / 1000)) s ago"
}

# As the owner of the box.
as_owner() {
    local as=()
    if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid "$OWNER" --regid "$GROUP" --clear-groups); fi
    "${as[@]}" "$@"
}

# The owner may talk to the engine that was started for this test.
boot() {
    as_owner env -i PATH="$PATH" HOME="$TEMP/empty" DOCKER_HOST="${DOCKER_HOST:-}" COMPOSE_PROJECT_NAME="$NAME" \
        "$BOX/ops/boot.sh" exchange paper scheduler
}

# The last decided bar is the last one that has closed, give or take what it takes to ask for it.
is_up_to_date() { [ $(($(now_ms) - $(last_ts_ms))) -lt $((TF_MS + 10000)) ]; }

next_bar_is_decided_as_it_closes() {
    say "step: the venue is killed with SIGKILL, and the loop decides the next bar"
    local before late
    before=$(rows)
    kill -KILL "$(program_pid exchange)"
    await 75 "the next bar is decided" rows_at_least $((before + 1))
    ledger_is_exact
    late=$(tail -n 1 "$(dirname "$LEDGER")/timing.csv" | cut -d, -f2,4)
    [ "${late%,*}" = live ] || fail "the bar was decided as ${late%,*}"
    [ "${late#*,}" -lt 15000 ] || fail "the bar was decided ${late#*,} ms after its close"
    [ "$(inspect exchange '{{.RestartCount}}')" -ge 1 ] || fail "the engine did not start the venue again"
    await 30 "exchange gets healthy again" healthy exchange
    await 30 "paper stays healthy" healthy paper
    say "decided ${late#*,} ms after its close"
}

# The shipped schedules are too slow to be watched.
jobs_run_often() {
    local kind
    for kind in eqflat healthcheck; do
        printf 'manifest = 1\nname = "%s-often"\nkind = "%s"\nextends = ["%s.toml"]\n[[schedule]]\nid = "often"\nevery = "10s"\n' \
            "$kind" "$kind" "$kind" > "$BOX/jobs/$kind-often.toml"
    done
}

scheduler_runs_health_and_eqflat() {
    say "step: the scheduler runs jobs by the clock, and comes back when it is killed"
    local pid before twice
    await 60 "scheduler gets healthy" healthy scheduler
    service_is_confined scheduler
    await 90 "eqflat by the clock" succeeded_at_least eqflat-often 1
    await 60 "healthcheck by the clock" succeeded_at_least healthcheck-often 1
    grep -q '^mjolnir_build_info' <<< "$(page /metrics)" || fail "no numbers on 127.0.0.1:9464"
    before=$(succeeded eqflat-often) pid=$(program_pid scheduler)
    kill -KILL "$pid"
    await 30 "scheduler has another process" another_process scheduler "$pid"
    await 90 "eqflat by the clock again" succeeded_at_least eqflat-often $((before + 1))
    twice=$(in_paper runner history -n 1000 --json | grep -oE '"run_id": *"[^"]+"' | sort | uniq -d)
    [ -z "$twice" ] || fail "two records of one run: $twice"
    say "$(succeeded eqflat-often) proofs and $(succeeded healthcheck-often) health checks by the clock"
}

succeeded() { in_paper runner history "$1" -n 100 2> /dev/null | grep -c ' succeeded ' || true; }
succeeded_at_least() { [ "$(succeeded "$1")" -ge "$2" ]; }

another_process() {
    local pid
    pid=$(program_pid "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ]
}

# A page of the scheduler, asked from inside its container, as the published port lies in the engine's network.
page() {
    docker exec "$(id_of scheduler)" perl -MIO::Socket::INET -e '
        my $page = IO::Socket::INET->new(PeerAddr => "127.0.0.1:9464", Timeout => 5) or exit 1;
        print $page "GET $ARGV[0] HTTP/1.1\r\nHost: 127.0.0.1:9464\r\nConnection: close\r\n\r\n";
        print <$page>;' "$1"
}

no_secret_leaks() {
    say "step: no secret in files, logs or arguments"
    ! grep -rqF "$TOKEN" "$BOX/data" || fail "a secret stands in: $(grep -rlF "$TOKEN" "$BOX/data")"
    ! demo logs --no-color 2> /dev/null | grep -qF "$TOKEN" || fail "a secret stands in the logs"
}

find_program() { [ -x "$PROGRAM" ] || fail "$PROGRAM is no program: make build"; }

find_program
command -v strip > /dev/null || skip "there is no strip (Debian: binutils)"
FAST_FROM=
mkdir -p "$TEMP/empty"
find_engine
find_base
lay_out_the_box
nothing_private_reaches_an_image
image_is_made
jobs_run_often
loop_trades_against_the_venue
service_is_confined paper
service_is_confined exchange
host_sees_only_what_it_should
killed_loop_comes_back
lives_are_told_apart
replay_agrees fast
loop_stops_in_peace
long_ledger_fits_in_the_memory
demo_runs_in_real_time
next_bar_is_decided_as_it_closes
scheduler_runs_health_and_eqflat
replay_agrees real
host_sees_only_what_it_should
no_secret_leaks
say "passed"
