#!/usr/bin/env bash
# Fine-tuning for reading comprehension: a Tibetan question and its passage -> the answer, which is generated, not extracted
# from the passage (TibetanQA; Su et al. 2025, section 4.2.1, Table 1).
#
#   examples/finetuning/reading_comprehension.sh [--name NAME] [--start CHECKPOINT] [--dry-run] [-- OPTION...]
#
# 50 epochs with 200 samples per update; the checkpoint is chosen by ROUGE-L on the validation set. The question comes
# first, so if the source exceeds 256 tokens, the end of the passage is truncated.
# Run: RUNS/finetuning/reading_comprehension/NAME; scores are in scores/bo.json.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "$0")/../lib.sh"
finetune finetuning reading_comprehension bo-bo
