# shellcheck shell=bash
# A container engine for the test, and the base of its images. Sourced by run.sh.
# The engine is the one that runs, or one started here: with its data in a temporary folder and in a network of its own, so that no
# rule, bridge or port of it is left on this machine.

# Where the base made here is kept between runs.
CACHE="$(dirname "${CARGO_TARGET_DIR:-$HOME/.cache/mjolnir/target}")"
ENGINE_WAIT_S=60
ENGINE_PID=

find_engine() {
    [ "$(uname -s)" = Linux ] || skip "containers are looked into from outside, which takes Linux"
    command -v docker > /dev/null || skip "there is no docker (Debian: docker.io)"
    find_compose
    case ${DOCKER_HOST:-unix://} in
        unix://*) docker version > /dev/null 2>&1 || start_engine ;;
        *) skip "the engine at $DOCKER_HOST is on another machine" ;;
    esac
    find_builder
    say "engine $(docker version --format '{{.Server.Version}}'), $("${COMPOSE[@]}" version --short), $(docker info --format '{{.Driver}}, cgroup v{{.CgroupVersion}}')"
}

# MJOLNIR_COMPOSE="docker compose" tries another one than the first that is found.
find_compose() {
    if [ -n "${MJOLNIR_COMPOSE:-}" ]; then
        read -ra COMPOSE <<< "$MJOLNIR_COMPOSE"
    elif command -v docker-compose > /dev/null; then
        COMPOSE=(docker-compose)
    elif docker compose version > /dev/null 2>&1; then
        COMPOSE=(docker compose)
    else
        skip "there is neither docker-compose nor docker compose"
    fi
}

start_engine() {
    [ "$(id -u)" = 0 ] || skip "no engine answers, and only root can start one"
    local tool
    for tool in dockerd unshare ip iptables; do
        command -v "$tool" > /dev/null || skip "no engine answers, and $tool is missing to start one"
    done
    export DOCKER_HOST="unix://$TEMP/docker.sock"
    unshare --net bash -c 'ip link set lo up && exec dockerd "$@"' dockerd \
        --data-root "$TEMP/engine" --exec-root "$TEMP/exec" --pidfile "$TEMP/dockerd.pid" --host "$DOCKER_HOST" \
        --cgroup-parent "/$NAME" --storage-driver "$(storage_driver)" > "$TEMP/dockerd.log" 2>&1 &
    ENGINE_PID=$!
    local end=$((SECONDS + ENGINE_WAIT_S))
    until docker version > /dev/null 2>&1; do
        if ! kill -0 "$ENGINE_PID" 2> /dev/null || [ "$SECONDS" -ge "$end" ]; then
            tail -n 5 "$TEMP/dockerd.log" >&2
            skip "no engine can be started here: see above"
        fi
        sleep 0.2
    done
    say "started an engine, pid $ENGINE_PID"
}

storage_driver() { if grep -qw overlay /proc/filesystems; then echo overlay2; else echo vfs; fi; }

# shellcheck disable=SC2034
# A docker that can build with BuildKit: one before 23, or one with buildx.
find_builder() {
    local one
    printf 'FROM scratch\nLABEL of=nothing\n' > "$TEMP/Dockerfile.empty"
    for one in $(type -ap docker); do
        if DOCKER_BUILDKIT=1 "$one" build -q -f "$TEMP/Dockerfile.empty" "$TEMP/empty" > "$TEMP/build.log" 2>&1; then
            BUILDER=$one   # run.sh builds with it
            return 0
        fi
    done
    cat "$TEMP/build.log" >&2
    skip "no docker here builds with BuildKit (Debian: docker.io; elsewhere: docker-buildx-plugin)"
}

# The base of the images: the one the Dockerfile names, or Debian's packages where no registry is within reach.
find_base() {
    BASE=debian:bookworm-slim
    if docker image inspect "$BASE" > /dev/null 2>&1; then return 0; fi
    if [ -z "$ENGINE_PID" ] && timeout 60 docker pull -q "$BASE" > /dev/null 2>&1; then return 0; fi
    BASE=mjolnir-test-base:bookworm
    if docker image inspect "$BASE" > /dev/null 2>&1; then return 0; fi
    local kept="$CACHE/base-bookworm.tar"
    [ -s "$kept" ] || make_base "$kept"
    docker import "$kept" "$BASE" > /dev/null
}

make_base() { # FILE [SUITE]
    [ "$(id -u)" = 0 ] || skip "no registry is within reach, and only root can make a base with debootstrap"
    command -v debootstrap > /dev/null || skip "no registry is within reach, and debootstrap is missing to make a base"
    say "making a base of ${2:-bookworm} with debootstrap, kept in $1"
    debootstrap --variant=minbase --include=ca-certificates "${2:-bookworm}" "$TEMP/base" > "$TEMP/debootstrap.log" 2>&1 || {
        tail -n 5 "$TEMP/debootstrap.log" >&2
        skip "debootstrap failed: see above"
    }
    rm -rf "$TEMP"/base/usr/share/{doc,info,lintian,locale,man} "$TEMP"/base/var/cache/apt/* "$TEMP"/base/var/lib/apt/lists/*
    mkdir -p "$(dirname "$1")"
    tar -C "$TEMP/base" -cf "$1.new" .
    mv "$1.new" "$1"
    rm -rf "$TEMP/base"
}

stop_engine() {
    [ -n "$ENGINE_PID" ] || return 0
    kill -TERM "$ENGINE_PID" 2> /dev/null || true
    local end=$((SECONDS + 20))
    while kill -0 "$ENGINE_PID" 2> /dev/null && [ "$SECONDS" -lt "$end" ]; do sleep 0.1; done
    kill -KILL "$ENGINE_PID" 2> /dev/null || true
    wait "$ENGINE_PID" 2> /dev/null || true
    awk -v below="$TEMP/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | while IFS= read -r mounted; do
        umount -l "$mounted" || true
    done
    find /sys/fs/cgroup -depth -type d -path "*/$NAME*" -exec rmdir {} + 2> /dev/null || true
}
