#!/usr/bin/env bash
# Starts the box: with the card if one works, else without. Safe to run again: what is up and unchanged stays up.
#
# "Works" means two things, each tried: nvidia-smi on this machine names a card, and in a container of the box it computes what the
# processor computes (`runner doctor -P gpu`). Anything less is the processor, and the log says why. A card that fails later is left
# by the jobs themselves: they ask for the proof anew each time (profiles/auto.toml).
#
#   ops/boot.sh                 log: data/logs/boot.log, at most 4 older ones
#   ops/boot.sh scheduler       only this service
set -euo pipefail
cd "$(dirname "$0")/.."

LOG=data/logs/boot.log
LOG_BYTES_MAX=262144
LOGS_OLD=4
CARD_WAIT=30s       # a broken driver hangs rather than fails
PROOF_WAIT=120s     # a container, and a proof that is asked for twice
ONLY_DEVICE='preflight.skip=["tools","folders","owners","room","clock","ports","env","manifests","git"]'
START_WAIT=300s

die() { echo "boot: error: $*" >&2; exit 1; }

# The folders that containers write to belong to whoever runs this; an engine would make them as root.
mkdir -p data/logs notebooks || die "data/ and notebooks/ cannot be made here: run this as the user who owns $PWD"

rotate() {
    [ -f "$LOG" ] && [ "$(wc -c < "$LOG")" -gt "$LOG_BYTES_MAX" ] || return 0
    local n
    for ((n = LOGS_OLD; n > 1; n--)); do
        [ ! -f "$LOG.$((n - 1))" ] || mv "$LOG.$((n - 1))" "$LOG.$n"
    done
    mv "$LOG" "$LOG.1"
}

say() { printf '%s boot: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

# docker-compose, whichever there is.
compose() { "${COMPOSE[@]}" "$@"; }

find_compose() {
    if command -v docker-compose > /dev/null; then
        COMPOSE=(docker-compose)
    elif docker compose version > /dev/null 2>&1; then
        COMPOSE=(docker compose)
    else
        say "error: there is neither docker-compose nor docker compose: install one of them"
        return 1
    fi
}

with_card=(-f docker-compose.yml -f docker-compose.gpu.yml)

# The line of the table that tells of the device; whatever was said last where there is none.
device_of() { grep -m 1 '^device ' <<< "$1" || tail -n 1 <<< "$1"; }

# Whether there is a card that containers can use; says why not.
card_works() {
    local cards
    if ! command -v nvidia-smi > /dev/null; then
        say "no card: there is no nvidia-smi"
        return 1
    fi
    if ! cards=$(timeout "$CARD_WAIT" nvidia-smi --list-gpus 2>&1) || [ "${cards#GPU }" = "$cards" ]; then
        say "no card: nvidia-smi says: ${cards:-nothing within $CARD_WAIT}"
        return 1
    fi
    local proof
    if ! proof=$(timeout "$PROOF_WAIT" "${COMPOSE[@]}" "${with_card[@]}" run --rm --no-deps -T scheduler doctor -P gpu --set "$ONLY_DEVICE" 2>&1); then
        say "no card: this machine has one, but in a container it does not prove itself: $(device_of "$proof")"
        say "see to the NVIDIA container toolkit: nvidia-ctk runtime configure"
        return 1
    fi
    say "card: $(device_of "$proof")"
}

# Whether the container engine answers; one line says why not.
engine_answers() {
    local said
    if ! said=$(compose ps -q 2>&1); then
        say "error: the container engine does not answer: start it (sudo systemctl start docker) and run this again; it says: $(tail -n 1 <<< "$said")"
        return 1
    fi
}

boot() {
    find_compose || return 1
    engine_answers || return 1
    say "== $PWD, services: ${*:-all}"
    # A manifest that is wrong would make a service start and end for ever: it is found out here.
    if ! compose run --rm --no-deps -T paper check jobs; then
        say "error: nothing was started: correct what is named above, and run this again"
        return 1
    fi
    if card_works; then
        if timeout "$START_WAIT" "${COMPOSE[@]}" "${with_card[@]}" up -d "$@"; then
            say "up, on the card"
            return 0
        fi
        say "it did not start on the card: trying the processor"
    fi
    if ! timeout "$START_WAIT" "${COMPOSE[@]}" -f docker-compose.yml up -d "$@"; then
        say "error: it did not start: see above"
        return 1
    fi
    say "up, on the processor"
}

rotate
boot "$@" 2>&1 | tee -a "$LOG"
