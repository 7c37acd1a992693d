# Sourced by run.sh: a Slurm of this machine alone, with virtual nodes, on loopback, below one folder.
# Debian's slurmd is built with MULTIPLE_SLURMD, so that several of them run side by side. Root is not needed.

# cluster_up DIR: three nodes in the partition `main`, and one in `apart`, which sees another folder in the place of the box.
cluster_up() {
    local dir=$1 user ports node
    user=$(id -un)
    mkdir -p "$dir"/{etc,run,state,log,munge} && chmod 700 "$dir/munge"
    read -r -a ports < <(free_ports 5)
    dd if=/dev/urandom of="$dir/munge/key" bs=1 count=1024 status=none && chmod 600 "$dir/munge/key"
    munged --force --key-file="$dir/munge/key" --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
        --log-file="$dir/munge/munged.log" --seed-file="$dir/munge/seed" 2> /dev/null
    {
        cat << CONF
ClusterName=mjolnir-test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/run/munge.sock,cred_expire=5
CommunicationParameters=NoAddrCache,NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
MessageTimeout=30
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=512
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=5,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobRequeue=1
MaxArraySize=101
MinJobAge=3600
CONF
        for node in 1 2 3 4; do
            echo "NodeName=n$node NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=${ports[$node]} CPUs=2 RealMemory=60000 State=UNKNOWN"
        done
        echo "PartitionName=main Nodes=n[1-3] Default=YES MaxTime=INFINITE State=UP"
        echo "PartitionName=apart Nodes=n4 MaxTime=INFINITE State=UP"
    } > "$dir/etc/slurm.conf"
    export SLURM_CONF=$dir/etc/slurm.conf
    slurmctld -f "$SLURM_CONF"
    for node in 1 2 3; do node_up "$dir" "$node"; done
    wait_for "three nodes" nodes_idle main 3
}

# A slurmd under its virtual name.
node_up() { mkdir -p "$1/spool.n$2" && slurmd -f "$1/etc/slurm.conf" -N "n$2"; }

# nodes_idle PARTITION MANY
nodes_idle() { [ "$(sinfo -h -N -p "$1" -t idle -o %N 2> /dev/null | sort -u | wc -l)" -ge "$2" ]; }

# So many TCP ports that are free on loopback now.
free_ports() {
    python3 - "$1" << 'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
}

# Ends the daemons of a folder by their own pid files, and what they started.
cluster_down() {
    local dir=$1 file pid
    [ -d "$dir/run" ] || return 0
    scancel --user="$(id -un)" 2> /dev/null || true
    for file in "$dir"/run/slurmd.*.pid "$dir"/run/slurmctld.pid "$dir"/run/munged.pid; do
        if [ -f "$file" ]; then
            pid=$(cat "$file")
            kill "$pid" 2> /dev/null || true
            for _ in $(seq 50); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
            kill -KILL "$pid" 2> /dev/null || true
        fi
    done
    # A slurmstepd of a task lives on without its slurmd: it carries the folder of its node in its arguments or its open files.
    for pid in $(pgrep slurmstepd || true); do
        if ls -l "/proc/$pid/fd" 2> /dev/null | grep -q "$dir/"; then kill -KILL "$pid" 2> /dev/null || true; fi
    done
}
