#!/usr/bin/env bash
# Pretraining of XLM-SWCM on several GPUs in one machine, with torchrun; otherwise the same as single_gpu.sh.
#
#   GPUS=2 examples/pretraining/multi_gpu.sh [--name NAME] [--dry-run] [-- OPTION...]
#
# A batch has the paper's 600 samples = 75 x 4 x 2 GPUs (Su et al. 2025, section 4.1), on any number of GPUs that divides it.
# GPUS is 2 by default. Run: RUNS/pretraining/NAME.
set -euo pipefail
export GPUS=${GPUS:-2}
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
pretrain
