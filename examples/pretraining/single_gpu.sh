#!/usr/bin/env bash
# Pretraining of XLM-SWCM on one GPU: denoising on MC2 (bo, ug, kk, mn) and THUCNews (zh), and translation between
# zh and each of the others with 2,000 pairs per language (Su et al. 2025, sections 3.2 and 4.1, Appendices A and B).
#
#   examples/pretraining/single_gpu.sh [--name NAME] [--dry-run] [-- OPTION...]
#
# A batch has the paper's 600 samples (75 x 4 x 2 GPUs there, 75 x 8 here), and an epoch has the paper's 1,340,235 (with
# MANIFEST or DATA, as many as the data has). Run: RUNS/pretraining/NAME.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
pretrain
