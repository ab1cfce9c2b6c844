#!/usr/bin/env bash
# Fine-tuning for summarization: a Tibetan text -> its summary (Ti-SUM; Su et al. 2025, section 4.2.1, Table 1).
#
#   examples/finetuning/summarization.sh [--name NAME] [--start CHECKPOINT] [--dry-run] [-- OPTION...]
#
# 50 epochs with 200 samples per update; the checkpoint is chosen by ROUGE-L on the validation set.
# Run: RUNS/finetuning/summarization/NAME; scores are in scores/bo.json.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
finetune finetuning summarization bo-bo
