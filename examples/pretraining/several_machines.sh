#!/usr/bin/env bash
# Pretraining of XLM-SWCM on several machines, by torchrun; else the same as single_gpu.sh. Start it on every machine:
#
#   MACHINES=2 MACHINE=0 GPUS=4 RENDEZVOUS=first-machine:29500 examples/pretraining/several_machines.sh [OPTION...]
#   MACHINES=2 MACHINE=1 GPUS=4 RENDEZVOUS=first-machine:29500 examples/pretraining/several_machines.sh [OPTION...]
#
#   MACHINES=N          how many machines (default: 2)
#   MACHINE=I           the number of this one, from 0; 0 writes checkpoints and train.log
#   RENDEZVOUS=H:P      name and a free port of machine 0, which the others reach
#
# All machines have the same number of GPUs and see the same directory; the data directory is made beforehand, on one of
# them (the recipe says how). The batch is the paper's 600 samples (Su et al. 2025, section 4.1), whatever their number.
# A cluster's scheduler does all this: slurm.sbatch. Run: RUNS/pretraining/NAME.
MACHINES=${MACHINES:-2}
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
pretrain "$@"
