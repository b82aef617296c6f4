#!/usr/bin/env bash
# A million grooves as an array of 64 tasks, each of them a shard of the job:
#   sbatch cluster/slurm_sample.sh
# What is missing, and which tasks to start again, says `python -m drumjax.jobs OUT_DIR`; those alone:
#   sbatch --array=3,17 cluster/slurm_sample.sh
# When all are done, one manifest of 64: `python -m drumjax.jobs OUT_DIR --join`
#SBATCH --job-name=drumjax-sample
#SBATCH --array=0-63
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue                  # a task whose node failed begins again, where it was
#SBATCH --signal=TERM@120          # two minutes before the time is up, as before a preemption
#SBATCH --open-mode=append
set -euo pipefail

# Of an array of some tasks only Slurm does not say how many there were: this does.
num_shards=${NUM_SHARDS:-64}
out_dir=${OUT_DIR:-samples/million}

# Where drumjax is installed: `source /path/to/venv/bin/activate`, or `module load ...`
status=0
srun python run_sample.py --num_samples "${NUM_SAMPLES:-1000000}" --shard "$SLURM_ARRAY_TASK_ID/$num_shards" \
  --out_dir "$out_dir" ${SAMPLE_FLAGS---bars 8 --format parquet} || status=$?

# 75: stopped by a signal, and to be resumed. Slurm ends this script then, if it does not end first.
if [ "$status" = 75 ]; then scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && sleep 60; fi
exit "$status"
