#!/usr/bin/env bash
# One training over several processes, of a node or of many, that share the batch: sbatch cluster/slurm_train.sh
# JAX finds the others by what Slurm says. The workdir is on a file system that all nodes see. If one process dies, all
# end, and the job is queued again: it goes on from its newest checkpoint, also with another number of processes.
#SBATCH --job-name=drumjax-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1        # with GPUs: as many as a node has, and --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@300          # time for a checkpoint
#SBATCH --open-mode=append
set -euo pipefail

# Where drumjax is installed: `source /path/to/venv/bin/activate`, or `module load ...`
status=0
srun --kill-on-bad-exit=1 python run_train.py --config "${CONFIG:-rock}" --workdir "${WORKDIR:-runs/rock}" \
  --distributed ${TRAIN_FLAGS:-} || status=$?

# 75: stopped by a signal, and to be resumed. What failed is started again a few times, for a process may have died.
if [ "$status" != 0 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "${MAX_RESTARTS:-5}" ]; then
  scontrol requeue "$SLURM_JOB_ID" && sleep 60 # Slurm ends this script then, if it does not end first
fi
exit "$status"
