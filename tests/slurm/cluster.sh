#!/usr/bin/env bash
# A Slurm of this machine for tests: munge, slurmctld and two virtual nodes, n1 and n2, everything under one folder.
#
#   cluster.sh start DIR     prints the path of the configuration: export it as SLURM_CONF
#   cluster.sh stop DIR      ends all that it started, what Slurm runs included
#   cluster.sh restart DIR   ends slurmctld and starts it again, as an administrator would
#   cluster.sh lose DIR N    kills slurmd of a node, and leaves what it runs to itself: the network is gone
#   cluster.sh revive DIR N  starts slurmd of a node again
#   cluster.sh hide DIR N F  starts slurmd of a node again, where the file or folder F is not there
#
# It needs no system service, no cgroups and no other network than the loopback; the packages are Debian's `slurm-wlm`
# and `munge`. Ports come from the number of the shell, so that two of them fit one machine.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

configure() {
  local host port
  host=$(hostname -s)
  port=$((20000 + ($$ * 4) % 12000))
  mkdir -p "$dir"/{state,log,spool-n1,spool-n2}
  cat >"$dir/slurm.conf" <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock
CredType=cred/munge
SlurmctldPort=$port
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/log/slurmctld.log
StateSaveLocation=$dir/state
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/log/slurmd-%n.log
SlurmdSpoolDir=$dir/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=5,batch_sched_delay=0
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=20
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=tile
PartitionName=main Nodes=ALL Default=YES MaxTime=60 PriorityTier=1 State=UP
PartitionName=hidden Nodes=n2 MaxTime=60 PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=9 PreemptMode=OFF State=UP
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=2 RealMemory=1000 Gres=tile:1 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=2 RealMemory=1000 State=UNKNOWN
CONF
  # A device that only n1 has, one of it.
  echo "NodeName=n1 Name=tile Count=1" >"$dir/gres.conf"
}

node() { slurmd -f "$dir/slurm.conf" -N "$1"; }

# Ends the process of a file with its number, and waits until it has ended.
end() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

start() {
  configure
  head -c 1024 /dev/urandom >"$dir/munge.key"
  chmod 600 "$dir/munge.key"
  chmod 711 "$dir"
  munged --force --num-threads=2 --socket="$dir/munge.sock" --key-file="$dir/munge.key" \
    --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" --seed-file="$dir/munged.seed" 2>/dev/null
  slurmctld -f "$dir/slurm.conf" -c -i
  node n1
  node n2
  for _ in $(seq 100); do
    [[ $(SLURM_CONF="$dir/slurm.conf" sinfo -h -N -o %t 2>/dev/null | sort -u) == idle ]] && break
    sleep 0.2
  done
  echo "$dir/slurm.conf"
}

stop() {
  # Steps outlive their slurmd; their processes carry the spool folder in their arguments or environment.
  SLURM_CONF="$dir/slurm.conf" timeout 10 scancel --state=RUNNING --signal=KILL --full --user="$(id -un)" 2>/dev/null || true
  SLURM_CONF="$dir/slurm.conf" timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
  for file in slurmd-n1 slurmd-n2 slurmctld munged; do end "$dir/$file.pid"; done
}

command=$1
dir=$(mkdir -p "$2" && cd "$2" && pwd)
case $command in
  start) start ;;
  stop) stop ;;
  restart)
    end "$dir/slurmctld.pid"
    slurmctld -f "$dir/slurm.conf"
    ;;
  lose) end "$dir/slurmd-$3.pid" KILL ;;
  revive) node "$3" ;;
  hide)
    end "$dir/slurmd-$3.pid"
    # An empty folder takes the place of the one that F is in.
    unshare --mount sh -c 'mount -t tmpfs none "$1" && exec slurmd -f "$2" -N "$3"' - "$(dirname "$4")" "$dir/slurm.conf" "$3"
    ;;
  *)
    echo "cluster.sh: \`$command\` is none of start, stop, restart, lose, revive, hide" >&2
    exit 2
    ;;
esac
