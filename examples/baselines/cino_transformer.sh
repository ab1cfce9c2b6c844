#!/usr/bin/env bash
# Cino-Transformer: a decoder with as many ordinary layers as the encoder, randomly initialized. Everything else is as for
# XLM-SWCM: model, pretraining and fine-tuning on the three Tibetan tasks (Su et al. 2025, Table 4).
#
#   examples/baselines/cino_transformer.sh [--dry-run]
#
# It is one of the ablations, which are described below.
set -euo pipefail
exec "$(dirname "$0")/../ablations/run.sh" "$@" cino-transformer
