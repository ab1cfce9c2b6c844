#!/usr/bin/env bash
# Add Tibetan pieces to an encoder, and remove those that the text does not use:
#
#   examples/quickstart/extend_encoder.sh ENCODER TEXT OUT
#
#   ENCODER     directory of the encoder
#   TEXT        directory with text in the layout of examples/quickstart/data
#   OUT         directory to write
#   PIECES=N    number of Tibetan pieces to add (default: 4000)
#   LANGUAGES   languages whose text determines which pieces are kept (default: bo zh)
#   ROWS=START  initialization of new rows: aligned (from the rows of their translations, the default), pushed (the
#               same, then moved away from them), mean (of the rows of pieces that spell them) or random (as in CINO)
set -euo pipefail
# shellcheck source=examples/steps.sh
. "$(dirname "$0")/../steps.sh"

[ ${#WORDS[@]} = 3 ] || fail "give ENCODER, TEXT and OUT; see the comment at the top of $0" 2
encoder=${WORDS[0]} text=${WORDS[1]} out=${WORDS[2]}
[ -e "$text/mono.bo.train.txt.xz" ] && xz=.xz || xz=
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Pairs of Tibetan and Chinese sentences determine which rows a new row starts from.
align=(--align "zh-bo=$text/zh-bo.train.zh$xz,$text/zh-bo.train.bo$xz")
case ${ROWS:-aligned} in
  aligned) rows=("${align[@]}") ;;
  pushed) rows=("${align[@]}" --push-apart 0.5) ;;
  *) rows=(--new-rows "$ROWS") ;;
esac
show swcm vocab-extend --vocab "$encoder" --input "bo=$text/mono.bo.train.txt$xz" --size "${PIECES:-4000}" \
  "${rows[@]}" --output "$work/extended"
inputs=()
for lang in ${LANGUAGES:-bo zh}; do
  inputs+=("$lang=$text/mono.$lang.train.txt$xz")
  [ "$lang" = zh ] || inputs+=("$lang=$text/zh-$lang.train.$lang$xz" "zh=$text/zh-$lang.train.zh$xz")
  for side in article title; do
    [ ! -e "$text/title.$lang.train.$side$xz" ] || inputs+=("$lang=$text/title.$lang.train.$side$xz")
  done
done
rm -rf "$out"
show swcm vocab-prune --vocab "$work/extended" --input "${inputs[@]}" --drop-characters --output "$out"
