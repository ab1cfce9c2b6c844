# shellcheck shell=bash
# What the recipes of a paper share: the sizes of a run and the commands of its steps.
# shellcheck source=examples/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

# --- the two scales: one table; both run the same commands ---

SCALE=${SCALE:-full}
case $SCALE in
  full)
    RUNS=${RUNS:-runs} DEFAULT_ENCODER=encoders/cino-base-v2 ARCH=xlm_swcm_base
    MANIFESTS=examples/manifests DATA_BIN=data-bin TEXT=text
    # Su et al. 2025, sections 4.1 and 4.2.1, Appendix B: 256 tokens; pretraining 8 epochs of 600 = 75 x 4 x 2 GPUs;
    # fine-tuning 50 of 200.
    TOKENS=256 PRETRAINING_EPOCHS=8 PRETRAINING_BATCH=600 PRETRAINING_PER_GPU=$SAMPLES_IN_MEMORY
    FINETUNING_EPOCHS=50 FINETUNING_BATCH=200 FINETUNING_PER_GPU=50
    MAKE_ENCODER=() DEVICE=() EPOCH_SIZE=() VALIDATION=() GENERATION=(--beam 4 --batch-size 32)
    ;;
  smoke)
    RUNS=${RUNS:-runs/smoke} DEFAULT_ENCODER=$RUNS/encoder ARCH=xlm_swcm_tiny
    MANIFESTS=examples/smoke DATA_BIN=$RUNS/data-bin TEXT=$RUNS/text
    TOKENS=64 PRETRAINING_EPOCHS=2 PRETRAINING_BATCH=32 PRETRAINING_PER_GPU=8
    FINETUNING_EPOCHS=2 FINETUNING_BATCH=16 FINETUNING_PER_GPU=8
    MAKE_ENCODER=(examples/smoke/encoder.sh "${ENCODER:-$DEFAULT_ENCODER}") DEVICE=(--cpu) EPOCH_SIZE=(--samples-per-epoch 64)
    VALIDATION=(--eval-samples 4 --eval-args "{'beam': 1, 'max_len_b': 10}")
    GENERATION=(--beam 2 --batch-size 32 --max-len-b 10)
    # Hide GPUs: fairseq uses those that it sees, even with --cpu. Small models run on few cores, with threads that wait
    # for each other without spinning.
    export CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
    ;;
esac
ENCODER=${ENCODER:-$DEFAULT_ENCODER} OWN_ENCODER=()
if [ "$ENCODER" != "$DEFAULT_ENCODER" ]; then
  OWN_ENCODER=("ENCODER=$ENCODER") folder=${ENCODER#/}
  DATA_BIN=$DATA_BIN/${folder//\//-} # ids of this vocabulary
fi
SEED=1 PROGRESS=epoch PREPARE='' KEEP_LAST=(--save-interval-updates 1000 --keep-interval-updates 1)
BEST_BY=(--maximize-best-checkpoint-metric --best-checkpoint-metric) # and its name

# --- data ---

# choose_data NAME: set MANIFEST to NAME.yaml and DATA to the directory made from it, unless the user has set them.
choose_data() {
  : "${MANIFEST:=$MANIFESTS/$1.yaml}"
  MAKE_DATA=0
  [ -z "${DATA:-}" ] || return 0
  MAKE_DATA=1 DATA=$DATA_BIN/$(basename "$MANIFEST" .yaml)
}
# own_data_refused: for a recipe with several stages, each with its own data.
own_data_refused() {
  [ -z "${DATA:-}${MANIFEST:-}" ] ||
    fail "DATA and MANIFEST are those of one stage, and $RECIPE has several; leave them out, or run the stages' recipes" 2
}
# read_data: text to ids as MANIFEST says; does nothing if the user has named a data directory.
read_data() {
  local command=(swcm run "$MANIFEST" --vocabulary "$ENCODER" --output "$DATA"
    --work "$TEXT/$(basename "$MANIFEST" .yaml)")
  if ((!MAKE_DATA)); then
    need_file "$DATA/dict.txt" "DATA names a finished data directory; leave it out to make one"
  elif ((MACHINES > 1 && !DRY_RUN)); then
    need_file "$DATA/dict.txt" "make it beforehand, on one machine: $(command_line "${command[@]}")"
  else
    step --in "$DATA" --reads "$MANIFEST" --writes "$DATA/dict.txt" --wait "another recipe is making $DATA" \
      data "corpora -> clean text -> ids" "${command[@]}"
  fi
}
# need_encoder: the encoder's directory must be there.
need_encoder() {
  ((MACHINES > 1 || ${#MAKE_ENCODER[@]} == 0)) || show "${MAKE_ENCODER[@]}"
  need_file "$ENCODER/dict.txt" "make the encoder's directory: \
$(command_line swcm convert hfl/cino-base-v2 --hub --output "$ENCODER")"
}

# --- training ---

# batch TOTAL MOST: set BATCH to the options for TOTAL samples per update, at most MOST at a time on each GPU.
batch() {
  local each
  for ((each = ${PER_GPU:-$2}; each > 0; each--)); do
    (($1 % (each * PROCESSES))) || break
  done
  ((each)) || fail "$1 samples per update cannot be shared by $PROCESSES GPUs; take a number that divides $1" 2
  BATCH=(--batch-size "$each" --update-freq $(($1 / each / PROCESSES)) --required-batch-size-multiple 1)
}
# training STEP TITLE DIR OPTION...: fairseq-train with the options of every training, on all GPUs, with one progress bar; its
# checkpoints and its log, train.log, are in DIR. The function PREPARE is called first, if it must be trained.
training() {
  local log=$3/train.log
  ((MACHINE == 0)) || log=$3/train.machine-$MACHINE.log # fairseq reports on the first machine
  step --prepare "$PREPARE" --log "$log" --progress "$PROGRESS" --machine "$MACHINE" "$1" "$2" \
    "${TRAIN[@]}" "$DATA" --user-dir "$PLUGIN" "${TRAINING_OPTIONS[@]}" "${BATCH[@]}" "${SHARE[@]}" "${DEVICE[@]}" --save-dir "$3" --seed "$SEED" "${@:4}" "${EXTRA[@]}"
}
# train TITLE EPOCHS OPTION...: train an encoder-decoder in RUN. Section 4.1 and Appendix B: from 1e-5 up to 1e-4 during the
# first epoch, then linearly down. Fine-tuning uses the same optimizer: the paper names no other.
train() {
  training train "$1" "$RUN" --task multilingual_denoising_mt --arch "$ARCH" --criterion swcm_cross_entropy \
    --tokens-per-sample "$TOKENS" --weight-decay 0.01 --lr 1e-4 --lr-scheduler warmup_linear --warmup-init-lr 1e-5 \
    --max-epoch "$2" "${EPOCH_SIZE[@]}" "${KEEP_LAST[@]}" "${@:3}"
}
# pretrain_on TITLE EPOCHS OPTION...: pretraining on all corpora. Section 4.1: corpora drawn with 0.3. The paper's 17,864 updates
# are 8 epochs with one sample per document (Table 6), so longer documents are truncated.
pretrain_on() {
  batch "$PRETRAINING_BATCH" "$PRETRAINING_PER_GPU"
  train "$1" "$2" --sampling-alpha 0.3 --long-documents truncate "${@:3}"
}
# pretrain_whole OPTION...: all epochs of pretraining. On the paper's corpora, an epoch has the paper's number of samples (Appendix
# B), whatever a system is trained on, so that all systems of a table get the same number of updates.
pretrain_whole() {
  local epoch=()
  [ "$MANIFEST-$MAKE_DATA" != examples/manifests/pretraining.yaml-1 ] || epoch=(--samples-per-epoch 1340235)
  pretrain_on "denoising in five languages and translation between Chinese and four" "$PRETRAINING_EPOCHS" "${epoch[@]}" "$@"
}
# finetune_on TITLE OPTION...: fine-tuning; the checkpoint with the best ROUGE-L on the validation set is kept.
finetune_on() {
  batch "$FINETUNING_BATCH" "$FINETUNING_PER_GPU"
  train "$1" "$FINETUNING_EPOCHS" --eval-metric rouge_l "${VALIDATION[@]}" "${@:2}" "${BEST_BY[@]}" rouge_l
}
# encoder_as_checkpoint: write the encoder as a checkpoint of fairseq's RoBERTa, RUN/start.pt.
encoder_as_checkpoint() {
  step --reads "$ENCODER" --writes "$RUN/start.pt" start "the encoder as a fairseq checkpoint" \
    swcm convert "$ENCODER" --to fairseq --output "$RUN/start.pt"
}

# --- scores ---

# folder SOURCE-TARGET: the name of the folder for its outputs and scores: zh-bo, and bo for bo-bo.
folder() {
  [ "${1%-*}" = "${1#*-}" ] && echo "${1#*-}" || echo "$1"
}
# score SPLIT SOURCE-TARGET CHECKPOINT [FILE...]: write the outputs for a split to RUN/SPLIT/LANG and their scores to
# RUN/scores/LANG.json. The checkpoint is made by PREPARE from the files, or is there.
score() {
  local lang file reads=()
  lang=$(folder "$2")
  for file in "${@:$(($# > 3 ? 4 : 3))}"; do reads+=(--reads "$file"); done
  step --prepare "$PREPARE" "${reads[@]}" --log "$RUN/generate-$lang.log" "generate-$lang" "outputs for the $1 split" \
    fairseq-generate "$DATA" --user-dir "$PLUGIN" --task multilingual_denoising_mt --source-lang "${2%-*}" \
    --target-lang "${2#*-}" --gen-subset "$1" --path "$3" "${DEVICE[@]}" --required-batch-size-multiple 1 \
    --remove-bpe sentencepiece --tokens-per-sample "$TOKENS" --scoring rouge_l --results-path "$RUN/$1/$lang" "${GENERATION[@]}"
  step --reads "$RUN/$1/$lang/generate-$1.txt" --writes "$RUN/scores/$lang.json" "score-$lang" \
    "ROUGE, BLEU, chrF++ and language accuracy, with their signatures" \
    swcm score --generated "$RUN/$1/$lang/generate-$1.txt" --lang "${2#*-}" --format json --output "$RUN/scores/$lang.json"
}
# again COMMAND...: a recipe with the environment of this one, ready to type.
again() {
  local set=()
  [ "$SCALE" = full ] || set+=("SCALE=$SCALE")
  [ "$RUNS" = runs ] || [ "$SCALE $RUNS" = "smoke runs/smoke" ] || set+=("RUNS=$RUNS")
  command_line "${set[@]}" "${OWN_ENCODER[@]}" "$@"
}
# finish COMMAND: print what to do next.
finish() {
  ((DRY_RUN)) || printf '\nTook %s seconds. Everything is in %s. Next:\n  %s\n' "$SECONDS" "$RUN" "$1"
}

# --- the recipes ---

# pretrain: denoising and translation, from the encoder.
pretrain() {
  RUN=$RUNS/pretraining/$NAME
  choose_data pretraining
  # Section 4.1: teacher forcing in epoch 1, then its share falls to 0.
  PREPARE=prepare_pretraining pretrain_whole --pretrained-encoder "$ENCODER" --teacher-forcing-final-ratio 0 \
    --teacher-forcing-decay-unit epochs --teacher-forcing-decay-start 1
  finish "$(again examples/finetuning/summarization.sh --name "$NAME" --start "$RUN/checkpoint_last.pt")"
}
prepare_pretraining() {
  need_encoder
  read_data
}

# finetune KIND TASK "SOURCE-TARGET...": fine-tune from a pretrained checkpoint, then score each direction; KIND is the folder
# under RUNS.
finetune() {
  local direction start=--finetune-from-model
  read -ra directions <<<"${DIRECTIONS:-$3}"
  : "${START:=$RUNS/pretraining/xlm-swcm/checkpoint_last.pt}"
  RUN=$RUNS/$1/$2/$NAME
  case $1 in
    finetuning) choose_data "$2" ;;
    *) choose_data "$1_$2" ;;
  esac
  if [ -d "$START" ] || [ "$START" = "$ENCODER" ]; then start=--pretrained-encoder; fi
  PREPARE=prepare_finetuning \
    finetune_on "fine-tuning; the checkpoint with the best ROUGE-L on the validation set is kept" "$start" "$START"
  for direction in "${directions[@]}"; do score test "$direction" "$RUN/checkpoint_best.pt"; done
  show swcm run-scores "$RUN"
  direction=${directions[0]}
  finish "$(command_line swcm samples --lang "${direction#*-}" --format html \
    --generated "$RUN/test/$(folder "$direction")/generate-test.txt" --output "$RUN/samples.html")"
}
# prepare_finetuning: refuse a start that would fail only at the end; a resumed training no longer needs its start.
prepare_finetuning() {
  local check=(swcm check-start --langs "${directions[@]#*-}")
  ((!MAKE_DATA)) || need_encoder # for its vocabulary
  if [ "$start" = --finetune-from-model ] && [ ! -e "$RUN/checkpoint_last.pt" ]; then
    need_file "$START" "make it: $(again examples/pretraining/single_gpu.sh), or name another with --start"
    check+=(--start "$START")
  fi
  ((DRY_RUN)) || "${check[@]}"
  read_data
}
