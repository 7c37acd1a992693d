#!/bin/bash
# What tests/dist/run.sh does inside: in a system of its own without a network, as root and as two users who are not.
set -euo pipefail
cd /
say() { printf '      %s\n' "$*"; }
fail() { printf '      FAILED: %s\n' "$*" >&2; exit 1; }
SERVICES=   # processes that do not end while something is waited for
# Waits until a command succeeds: what is waited for, command. The run as a whole has a limit.
await() {
    local what=$1 n=0
    shift
    until "$@" > /dev/null 2>&1; do
        n=$((n + 1))
        # shellcheck disable=SC2086
        [ -z "$SERVICES" ] || kill -0 $SERVICES 2> /dev/null || fail "$what: a service ended: $(tail -n 5 /test/loop.out /test/serve.out)"
        [ "$n" -lt 3000 ] || fail "$what: waited in vain for: $*"
        sleep 0.1
    done
}
as() { setpriv --reuid "$1" --regid "$1" --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs env -i PATH="$PATH" HOME=/ LC_ALL=C "${@:2}"; }
sums_of() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }

package_installs_and_changes_nothing_else() {
    (cd /release && bash -eu /test/install.sh) > /test/said 2>&1 || { cat /test/said >&2; fail "installing as the tutorial says"; }
    dpkg --verify mjolnir | grep . && fail "files differ from the package's own list"
    [ "$(command -v runner)" = /usr/bin/runner ] || fail "runner is not in the path"
    [ -z "$(find /etc/systemd /usr/lib/systemd -type l -name 'mjolnir*' 2> /dev/null)" ] || fail "a unit was enabled"
    ! cat /proc/[0-9]*/comm 2> /dev/null | grep -qx runner || fail "something was started"
    [ "$(stat -c '%U:%G %a' /etc/mjolnir.env)" = "root:root 600" ] || fail "/etc/mjolnir.env: $(stat -c '%U:%G %a' /etc/mjolnir.env)"
    [ ! -e /srv/mjolnir ] || fail "the package made a box"
    getent passwd mjolnir | grep -q ':/srv/mjolnir:/usr/sbin/nologin$' || fail "the user of the units: $(getent passwd mjolnir)"
    local verb
    for verb in $(runner --help | awk '/^Commands:/ {on = 1; next} on && /^$/ {exit} on && /^  [a-z]/ && $1 != "help" {print $1}'); do
        gzip -dc "/usr/share/man/man1/runner-$verb.1.gz" | grep -q '^\.TH' || fail "no manual page of $verb"
    done
    bash -euc '. /usr/share/bash-completion/completions/runner; complete -p runner' > /dev/null || fail "the completion of bash"
    say "installed: $(runner --version)"
}

# As it is printed, by a user who is new here.
tutorial_can_be_typed() {
    useradd --create-home --shell /bin/bash newcomer
    local from=$SECONDS
    as newcomer HOME=/home/newcomer bash -c 'cd && set -e && trap "kill \$(jobs -p) 2> /dev/null || true" EXIT && . /test/tutorial.sh' > /test/said 2>&1 ||
        { tail -n 40 /test/said >&2; fail "the tutorial"; }
    [ "$(grep -c '^Result: PASS' /test/said)" -ge 2 ] || { cat /test/said >&2; fail "the tutorial proves too little"; }
    grep -q 'the proof holds' /test/said || fail "the tutorial verifies no proof"
    say "tutorial: typed as it is printed, in $((SECONDS - from)) s"
}

# What a unit says: one key, the first of its values.
of_unit() { sed -n "s/^$2=-\{0,1\}//p" "/usr/lib/systemd/system/$1.service" | head -n 1; }

# A unit as systemd starts it, as far as it goes without systemd: user, folder, and a root that cannot be written but for its data. To be
# called in the background, which it becomes.
as_unit() { # UNIT ARGS
    local unit=$1 words
    shift
    read -ra words <<< "$(of_unit "$unit" ExecStart)"
    [ -x "${words[0]}" ] || fail "$unit starts ${words[0]}, which is not there"
    [ "$(of_unit "$unit" EnvironmentFile)" = /etc/mjolnir.env ] || fail "$unit reads no variables"
    # shellcheck disable=SC2016
    exec unshare --mount --propagation unchanged bash -c '
        mount --bind / /mnt && mount -o remount,bind,ro /mnt
        mount --bind "$1" "/mnt$1" && mount --rbind /proc /mnt/proc && mount --rbind /dev /mnt/dev && mount -t tmpfs tmpfs /mnt/tmp
        exec chroot /mnt setpriv --reuid "$2" --regid "$3" --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
            env -i PATH="$PATH" bash -c "umask 0027; cd \"\$0\" && exec \"\$@\"" "$4" "${@:5}"' bash \
        "$(of_unit "$unit" ReadWritePaths)" "$(of_unit "$unit" User)" "$(of_unit "$unit" Group)" "$(of_unit "$unit" WorkingDirectory)" "${words[@]}" "$@"
}

BOX=/srv/mjolnir
LOOP=(-p tag=made_up exchange=demo symbol=BTC/USD timeframe=5m feed=synthetic from=2024-01-10T00:00:00Z to=2034-01-10T00:00:00Z speed=6000x)
LEDGER=$BOX/data/processed/decisions/made_up/BTC_USD/5m/decisions.csv
rows() { if [ -f "$LEDGER" ]; then awk 'END {print NR - 1}' "$LEDGER"; else echo 0; fi; }
rows_at_least() { [ "$(rows)" -ge "$1" ]; }
ticks_after() { [ "$(as mjolnir runner history tick --root $BOX -n 1000 2> /dev/null | grep -c ' succeeded ')" -gt "$1" ]; }
ticks() { as mjolnir runner history tick --root $BOX -n 1000 2> /dev/null | grep -c ' succeeded ' || true; }
listening() { exec 3<> /dev/tcp/127.0.0.1/9464 && printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:9464\r\nConnection: close\r\n\r\n' >&3 && head -n 1 <&3 | grep -q ' 200 '; }

services_run_as_the_units_say() {
    # systemctl is not here: what would be enabled is only looked at.
    printf '#!/bin/sh\necho "$*" >> /test/systemctl\n' > /usr/local/bin/systemctl
    cp /usr/local/bin/systemctl /usr/local/bin/journalctl
    chmod 755 /usr/local/bin/systemctl /usr/local/bin/journalctl
    (cd /root && bash -eu /test/services.sh) > /test/said 2>&1 || { cat /test/said >&2; fail "the box of the services"; }
    rm /usr/local/bin/systemctl /usr/local/bin/journalctl
    grep -q '^enable --now mjolnir mjolnir-scheduler$' /test/systemctl || fail "the units are not enabled: $(cat /test/systemctl)"
    printf 'manifest = 1\nname = "tick"\nkind = "exec"\n[exec]\nrun = ["true"]\n[[schedule]]\nid = "often"\nevery = "2s"\n' > $BOX/jobs/tick.toml
    chgrp mjolnir $BOX/jobs/tick.toml
    as_unit mjolnir "${LOOP[@]}" > /test/loop.out 2>&1 &
    LOOP_PID=$!
    as_unit mjolnir-scheduler > /test/serve.out 2>&1 &
    SERVE_PID=$!
    SERVICES="$LOOP_PID $SERVE_PID"
    await "the loop decides" rows_at_least 20
    await "the scheduler answers" listening
    await "a job by the clock" ticks_after 1
    [ -z "$(find $BOX/data ! -user mjolnir)" ] || fail "files in data that do not belong to mjolnir"
    ! as mjolnir touch $BOX/jobs/probe $BOX/profiles/probe 2> /dev/null || fail "the user of the units can change the jobs"
    say "units: the loop decided $(rows) bars, the scheduler answers on 127.0.0.1:9464"
}

upgrade_leaves_ledgers_and_services_alone() {
    echo '# mine' >> /etc/mjolnir.env
    local before
    before=$(rows)
    cp "$LEDGER" /test/before.csv
    dpkg -i /test/newer.deb > /test/said 2>&1 || { cat /test/said >&2; fail "the upgrade"; }
    [ "$(dpkg-query -W -f '${Version}' mjolnir)" = 999.0 ] || fail "the upgrade did not take place"
    grep -q '^# mine$' /etc/mjolnir.env || fail "the upgrade changed /etc/mjolnir.env"
    kill -0 "$LOOP_PID" "$SERVE_PID" || fail "the upgrade ended a service"
    await "the loop goes on" rows_at_least $((before + 20))
    await "jobs start after the upgrade" ticks_after "$(ticks)"
    SERVICES=
    kill -KILL "$LOOP_PID"
    wait "$LOOP_PID" 2> /dev/null || true
    before=$(rows)
    as_unit mjolnir "${LOOP[@]}" > /test/loop.out 2>&1 &
    LOOP_PID=$!
    await "the loop goes on, with the new program" rows_at_least $((before + 20))
    cmp -n "$(stat -c %s /test/before.csv)" /test/before.csv "$LEDGER" || fail "the upgrade changed the ledger"
    kill -TERM "$LOOP_PID" "$SERVE_PID"
    wait "$LOOP_PID" || [ $? = 143 ] || fail "the loop did not end in peace: $(tail -n 3 /test/loop.out)"
    wait "$SERVE_PID" || [ $? = 143 ] || fail "the scheduler did not end in peace: $(tail -n 3 /test/serve.out)"
    as mjolnir runner run jobs/eqflat.toml --root $BOX -p tag=made_up exchange=demo symbol=BTC/USD timeframe=5m > /test/said 2>&1 ||
        { cat /test/said >&2; fail "the ledger of two programs"; }
    say "upgrade: services went on, the ledger of both programs: $(grep -E '^Result' /test/said)"
}

removal_leaves_data_alone() {
    local data home
    data=$(sums_of $BOX) home=$(sums_of /home/newcomer)
    dpkg -r mjolnir > /dev/null 2>&1 || fail "dpkg -r"
    ! command -v runner > /dev/null || fail "the program is still there"
    [ -e /etc/mjolnir.env ] || fail "dpkg -r took the settings along"
    dpkg -P mjolnir > /dev/null 2>&1 || fail "dpkg -P"
    [ ! -e /etc/mjolnir.env ] || fail "dpkg -P left the settings"
    [ -z "$(find / -xdev -path /proc -prune -o -path '*mjolnir*' -print | grep -vE '^(/srv/mjolnir|/release|/test|/home)')" ] ||
        fail "dpkg -P left: $(find / -xdev -path /proc -prune -o -path '*mjolnir*' -print | grep -vE '^(/srv/mjolnir|/release|/test|/home)' | head)"
    [ "$(sums_of $BOX)" = "$data" ] && [ "$(sums_of /home/newcomer)" = "$home" ] || fail "a removal touched data"
    say "removed and purged: boxes and data are as they were"
}

tarball_works_too() {
    tar -xzf /release/mjolnir-*.tar.gz -C /usr/local --strip-components 1
    [ "$(command -v runner)" = /usr/local/bin/runner ] || fail "the tarball's program is not in the path"
    local unit
    for unit in mjolnir mjolnir-scheduler; do
        [ -x "$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "/usr/local/lib/systemd/system/$unit.service")" ] || fail "the tarball's $unit starts nothing"
    done
    find /usr/local/share/doc/mjolnir -name OPERATIONS.md | grep -q . || fail "no documents"
    as newcomer sh -c 'cd /home/newcomer/my-box && runner check' > /test/said 2>&1 || { cat /test/said >&2; fail "the tarball's program"; }
    say "tarball: $(runner --version)"
}

package_installs_and_changes_nothing_else
tutorial_can_be_typed
services_run_as_the_units_say
upgrade_leaves_ledgers_and_services_alone
removal_leaves_data_alone
tarball_works_too
