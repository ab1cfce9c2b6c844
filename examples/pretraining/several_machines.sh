#!/usr/bin/env bash
# Pretraining of XLM-SWCM on several machines, with torchrun; otherwise the same as single_gpu.sh. Start it on every machine:
#
#   MACHINES=2 MACHINE=0 GPUS=4 RENDEZVOUS=first:29500 examples/pretraining/several_machines.sh [--name NAME] [--dry-run] [-- OPTION...]
#   MACHINES=2 MACHINE=1 GPUS=4 RENDEZVOUS=first:29500 examples/pretraining/several_machines.sh ...
#
#   MACHINES=N          number of machines (default: 2)
#   MACHINE=I           number of this machine, from 0 (default: set by SLURM); 0 writes checkpoints and train.log
#   RENDEZVOUS=H:P      name of machine 0 and a free port on it that the others can reach
#
# All machines must have the same number of GPUs and share the directory. First create the data directory on one of them (the
# recipe says how). A batch has 600 samples, as in the paper (Su et al. 2025, section 4.1), on any number of machines.
# On a SLURM cluster, use slurm.sbatch instead. Run: RUNS/pretraining/NAME.
set -euo pipefail
export MACHINES=${MACHINES:-2} MACHINE=${MACHINE:-${SLURM_NODEID:-0}}
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
pretrain
