#!/usr/bin/env bash
# The whole way on real text, on a CPU: vocabulary, a small encoder, XLM-SWCM started from it, pretraining by
# denoising and translation, fine-tuning to write the title of a help section, generation, scores.
#
#   examples/quickstart/run.sh             about ten minutes on two cores
#   SCALE=smoke examples/quickstart/run.sh a minute and a half, on little text: shows that everything runs, no more
#   COMPARE=1 examples/quickstart/run.sh   the same again with a randomly started decoder
#   OUT=DIR                                where everything goes (default runs/quickstart or runs/quickstart-smoke)
#
# Interrupt it whenever you like: finished steps are skipped, a training goes on from its last checkpoint.
set -euo pipefail
cd "$(dirname "$0")/../.."

. examples/steps.sh

# Two threads wait for each other without spinning, so that other work on the machine does not stall the training.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
SCALE=${SCALE:-full}
COMPARE=${COMPARE:-0}
case $SCALE in
  full)
    TEXT=examples/quickstart/data/libreoffice XZ=.xz OUT=${OUT:-runs/quickstart} PIECES=6000
    SIZE=(--encoder-layers 3 --encoder-embed-dim 192 --encoder-ffn-embed-dim 768 --encoder-attention-heads 4)
    ENCODER_UPDATES=600 PRETRAIN_UPDATES=350 FINETUNE_UPDATES=350 WARMUP=50 TOKENS=1024
    ;;
  smoke)
    TEXT=examples/quickstart/data/sample XZ='' OUT=${OUT:-runs/quickstart-smoke} PIECES=2000
    SIZE=(--encoder-layers 3 --encoder-embed-dim 64 --encoder-ffn-embed-dim 128 --encoder-attention-heads 2)
    ENCODER_UPDATES=30 PRETRAIN_UPDATES=20 FINETUNE_UPDATES=20 WARMUP=5 TOKENS=1024
    ;;
  *) fail "SCALE=$SCALE: use full or smoke" 2 ;;
esac
VALID=examples/quickstart/data/sample # a few of the same lines that are held out: validation is quick
LANGS="bo kk mn ug zh"
POSITIONS=128 # tokens of one text, <s>, language token and </s> included
PLUGIN=$(python -m swcm_fairseq)
CPU=(--cpu --num-workers 1 --seed 1)
export CUDA_VISIBLE_DEVICES='' # fairseq uses GPUs that it sees, even with --cpu
LOG=(--log-format json --log-interval 10 --no-epoch-checkpoints)
OPTIMIZER=(--optimizer adam --adam-betas '(0.9,0.98)' --clip-norm 1.0 --weight-decay 0.01)

RUN=$OUT # where steps.sh keeps what is done

# train NAME UPDATES COMMAND...: a fairseq-train run as one progress bar; the log goes to OUT/NAME.log.
train() {
  local name=$1 updates=$2
  shift 2
  local command=(fairseq-train "$@" --max-update "$updates" --save-dir "$OUT/$name" "${CPU[@]}" "${LOG[@]}")
  announce "${command[@]}"
  "${command[@]}" 2>&1 | python swcm_fairseq/reporting/progress.py "$OUT/$name.log"
}

if ! finished vocabulary; then
  step vocabulary "$PIECES sentencepiece pieces shared by five languages"
  inputs=()
  for lang in $LANGS; do inputs+=("$lang=$TEXT/mono.$lang.train.txt$XZ"); done
  show python -m preprocess.vocab --input "${inputs[@]}" --size "$PIECES" --output "$OUT/vocab"
  mark vocabulary
fi

if ! finished data; then
  step data "text to ids: plain text for the encoder, corpora for pretraining, titles for fine-tuning"
  plain=() mono=() pairs=() titles=()
  for lang in $LANGS; do
    plain+=(--plain "train=$TEXT/mono.$lang.train.txt$XZ" --plain "valid=$VALID/mono.$lang.valid.txt")
    mono+=(--mono "$lang:train=$TEXT/mono.$lang.train.txt$XZ" --mono "$lang:valid=$VALID/mono.$lang.valid.txt")
  done
  for lang in bo kk mn ug; do
    pairs+=(--pair "zh-$lang:train=$TEXT/zh-$lang.train.zh$XZ,$TEXT/zh-$lang.train.$lang$XZ")
    pairs+=(--pair "zh-$lang:valid=$VALID/zh-$lang.valid.zh,$VALID/zh-$lang.valid.$lang")
  done
  for split in train valid test; do
    for lang in bo zh; do
      titles+=(--pair "$lang-$lang:title_$lang:$split=$TEXT/title.$lang.$split.article$XZ,$TEXT/title.$lang.$split.title$XZ")
    done
  done
  show python -m preprocess.binarize --vocab "$OUT/vocab" --output "$OUT/data-bin/plain" "${plain[@]}"
  show python -m preprocess.binarize --vocab "$OUT/vocab" --output "$OUT/data-bin/pretrain" "${mono[@]}" "${pairs[@]}"
  show python -m preprocess.binarize --vocab "$OUT/vocab" --output "$OUT/data-bin/title" "${titles[@]}"
  mark data
fi

if ! finished encoder; then
  step encoder "a small XLM-R: masked language modelling, with fairseq's own task"
  train encoder "$ENCODER_UPDATES" "$OUT/data-bin/plain" --task masked_lm --criterion masked_lm --arch roberta_base \
    "${SIZE[@]}" --max-positions "$POSITIONS" --dropout 0.1 --attention-dropout 0 \
    --tokens-per-sample 64 --sample-break-mode none --mask-prob 0.3 --max-tokens 1024 \
    "${OPTIMIZER[@]}" --lr 1e-3 --lr-scheduler polynomial_decay --warmup-updates "$WARMUP" \
    --total-num-update "$ENCODER_UPDATES" --validate-interval-updates "$ENCODER_UPDATES" \
    --save-interval-updates 400 --keep-interval-updates 1
  mark encoder
fi

# learn NAME [OPTION...]: pretraining, fine-tuning and generation of one system.
learn() {
  local name=$1
  shift
  if ! finished "$name-pretrain"; then
    step "$name-pretrain" "denoising in five languages and translation between Chinese and four"
    train "$name-pretrain" "$PRETRAIN_UPDATES" "$OUT/data-bin/pretrain" --user-dir "$PLUGIN" \
      --task multilingual_denoising_mt --criterion swcm_cross_entropy --arch xlm_swcm "${SIZE[@]}" \
      --pretrained-encoder "$OUT/encoder/checkpoint_last.pt" "$@" \
      --max-source-positions "$POSITIONS" --max-target-positions "$POSITIONS" \
      --tokens-per-sample "$POSITIONS" --max-tokens "$TOKENS" \
      "${OPTIMIZER[@]}" --lr 1e-3 --lr-scheduler warmup_linear --warmup-updates "$WARMUP" \
      --total-num-update "$PRETRAIN_UPDATES" --validate-interval-updates "$PRETRAIN_UPDATES" \
      --save-interval-updates 250 --keep-interval-updates 1
    mark "$name-pretrain"
  fi
  if ! finished "$name-finetune"; then
    step "$name-finetune" "help section -> its title, in Tibetan and Chinese"
    train "$name-finetune" "$FINETUNE_UPDATES" "$OUT/data-bin/title" --user-dir "$PLUGIN" \
      --task multilingual_denoising_mt --criterion swcm_cross_entropy --arch xlm_swcm "${SIZE[@]}" \
      --finetune-from-model "$OUT/$name-pretrain/checkpoint_last.pt" \
      --max-source-positions "$POSITIONS" --max-target-positions "$POSITIONS" \
      --tokens-per-sample "$POSITIONS" --max-tokens "$TOKENS" \
      "${OPTIMIZER[@]}" --lr 1e-3 --lr-scheduler warmup_linear --warmup-updates "$WARMUP" \
      --total-num-update "$FINETUNE_UPDATES" --validate-interval-updates 100 \
      --save-interval-updates 100 --keep-interval-updates 1
    mark "$name-finetune"
  fi
  for lang in bo zh; do
    finished "$name-generate-$lang" && continue
    step "$name-generate-$lang" "titles of held-out sections, beam 4"
    local command=(fairseq-generate "$OUT/data-bin/title" --user-dir "$PLUGIN" --task multilingual_denoising_mt
      --corpora "title_$lang" --source-lang "$lang" --target-lang "$lang" --gen-subset test
      --path "$OUT/$name-finetune/checkpoint_best.pt" --beam 4 --max-len-b 40 --batch-size 32 --cpu
      --remove-bpe sentencepiece --scoring rouge_l --results-path "$OUT/$name-titles/$lang")
    announce "${command[@]}"
    logged "$OUT/$name-generate-$lang.log" "${command[@]}"
    tail -n 1 "$OUT/$name-titles/$lang/generate-test.txt"
    mark "$name-generate-$lang"
  done
}

systems=(xlm-swcm)
learn xlm-swcm
if [ "$COMPARE" = 1 ]; then
  systems+=(random-decoder)
  learn random-decoder --random-inherited-layers
fi

step report "scores on held-out sections"
show python -m swcm_fairseq.reporting.quickstart_report --out "$OUT" --text "$TEXT" --systems "${systems[@]}"
pretraining=() finetuning=()
for system in "${systems[@]}"; do
  pretraining+=("$system=$OUT/$system-pretrain.log") finetuning+=("$system=$OUT/$system-finetune.log")
done
show python -m swcm_fairseq.reporting.curves --output "$OUT/loss.png" --panel "encoder (masked LM)" "encoder=$OUT/encoder.log" \
  --panel pretraining "${pretraining[@]}" --panel fine-tuning "${finetuning[@]}"
printf '\nTook %s seconds. Everything is in %s. Next: README.md, "A real pretraining run".\n' "$SECONDS" "$OUT"
