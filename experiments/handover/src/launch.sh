#!/bin/bash
# Submit in this folder:   TRAINER=/path/to/the/trainer sbatch launch.sh
# Save and end by hand:    scancel --batch --signal=USR2 JOB
# site.env, where it is there, is sourced: modules, virtual environment, NCCL settings, PYTHON, WORKBENCH.
# WORKBENCH=/path/to/workbench lets the job follow itself: `workbench monitor monitor/run` shows it.
#
#SBATCH --job-name=@NAME@
#SBATCH --nodes=@NODES@
#SBATCH --ntasks-per-node=@GPUS@
#SBATCH --gpus-per-node=@GPUS@
#SBATCH --cpus-per-task=@CPUS@
#SBATCH --exclusive
#SBATCH --time=@TIME@
@PARTITION@@ACCOUNT@#SBATCH --dependency=singleton
#SBATCH --requeue
#SBATCH --signal=B:USR1@@SIGNAL@
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out

set -euo pipefail

fail() {
    echo "launch.sh: $*" >&2
    exit 2
}

[ -n "${SLURM_JOB_ID:-}" ] || fail "to be submitted with sbatch"
# Slurm runs a copy of this script elsewhere.
cd "${SLURM_SUBMIT_DIR:?}"
[ -f arguments.txt ] || fail "no arguments.txt in $PWD: submit in the folder of the hand-over"
# shellcheck disable=SC1091
[ ! -f site.env ] || source ./site.env
[ -f "${TRAINER:?the folder of the trainer, @TARGET@}/@PROGRAM@" ] || fail "no @PROGRAM@ in $TRAINER"
[ "$SLURM_JOB_NUM_NODES" -eq @NODES@ ] || fail "$SLURM_JOB_NUM_NODES nodes, the layout needs @NODES@"
differences=@DIFFERENCES@
if [ "$differences" -gt 0 ] && [ "${ACCEPT_DIFFERENCES:-}" != yes ]; then
    fail "the trainer would train something else in $differences points, see unsupported.md;" \
        "where that is wanted or patched: ACCEPT_DIFFERENCES=yes"
fi

# One argument with its values per line, quoted for the shell, comments allowed.
arguments=()
eval "arguments=(
$(cat arguments.txt)
)"

MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT
export PYTHONPATH="$TRAINER${PYTHONPATH:+:$PYTHONPATH}"
@ENVIRONMENT@mkdir -p @FOLDERS@
rm -f @STOP@

# The follower of a job that was killed goes on with the next; while another one runs, this one ends.
if [ -n "${WORKBENCH:-}" ]; then
    "$WORKBENCH" @FOLLOW@ >>monitor/follow.log 2>&1 &
    follower=$!
    trap 'kill "$follower" 2>/dev/null && wait "$follower" || true' EXIT
fi

# USR1 comes before the time limit: save, stop, queue again. USR2 is a person's: save and stop.
again=on-failure
save_and_stop() {
    echo "$(date -Is) saving and stopping"
    @ASK@
}
trap 'again=yes; save_and_stop' USR1
trap 'again=no; save_and_stop' USR2

echo "$(date -Is) job $SLURM_JOB_ID, start ${SLURM_RESTART_COUNT:-0}, master $MASTER_ADDR:$MASTER_PORT"
# One process per GPU; neighbouring ranks, which share matrices, on one node.
# shellcheck disable=SC2016
srun --kill-on-bad-exit=1 --distribution=block:block bash -c '
    export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS
    exec "${PYTHON:-python3}" -u "$@"' rank "$TRAINER/@PROGRAM@" "${arguments[@]}" &
tasks=$!

# A trap interrupts `wait`; the tasks go on until they have saved.
while kill -0 "$tasks" 2>/dev/null; do
    wait "$tasks" || true
done
status=0
wait "$tasks" || status=$?
rm -f @STOP@

if [ "$again" = yes ]; then
    echo 0 >failures
    echo "$(date -Is) saved before the time limit, queueing again"
    scontrol requeue "$SLURM_JOB_ID"
elif [ "$again" = on-failure ] && [ "$status" -ne 0 ]; then
    # Slurm itself queues the job again when a node dies; this is for a trainer that dies.
    failures=$(($(cat failures 2>/dev/null || echo 0) + 1))
    echo "$failures" >failures
    echo "$(date -Is) failed with status $status, failure $failures in a row"
    if [ "$failures" -le @RETRIES@ ]; then
        scontrol requeue "$SLURM_JOB_ID"
    else
        exit "$status"
    fi
else
    echo 0 >failures
    echo "$(date -Is) ended with status $status"
    exit "$status"
fi
