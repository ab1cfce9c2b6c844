"""Compare decoding with the same weights: ours, Hugging Face's generate, stock fairseq, and decoding without a cache.

    python benchmarks/decoding.py                                                      # a CPU, float32
    python benchmarks/decoding.py --device cuda --arch xlm_swcm_base --vocabulary 135364 --precision bf16 \\
        --batches 1 32 fit --words 128                                                 # a GPU, the paper's size

The contestants are: ours; on a GPU, ours with steps replayed as CUDA graphs; ours with --restrict-decoding, where the
language uses a quarter of the vocabulary; fairseq's generator with fairseq's own modules; ours without a cache, which
reads the whole prefix again for every word, like the paper's code (but computes only the logits of the last position);
and Hugging Face's EncoderDecoderModel with the same layers in the same order (benchmarks/huggingface_decoder.py; pip
install .[benchmarks]). With --precision int8, our linear layers are in int8 and Hugging Face is in float32; for this
precision, and for bf16 on a CPU, ours in float32 shows how many words agree. Every sentence has --tokens tokens and
every hypothesis --words words, so the work is the same. In float32, contestants must generate the same words.

CTranslate2 (pip install ctranslate2) takes part in float32 and int8 on a CPU as a proxy: it does not support our
layers, so it decodes with a standard Transformer of the same size (benchmarks/ctranslate2_decoder.py).

Each turn runs in a separate process. The batch "fit" (GPU only) is the largest power of 2 that fits into memory.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import contestants as models
import measure
import profiling
import torch
from fairseq.modules.transformer_layer import TransformerDecoderLayerBase
from torch import Tensor, nn

from swcm_fairseq.data.language_vocabulary import LanguageVocabularies
from swcm_fairseq.data.sample import Sample
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.models.cpu_precision import CPUPrecision, set_cpu_precision
from swcm_fairseq.models.layers import InheritedDecoderLayer
from swcm_fairseq.tasks.language_generator import LanguageGenerator

OURS, RESTRICTED, STOCK = "ours", "ours, restricted vocabulary", "stock fairseq"
EXACT = "ours in float32"
GRAPHS = "ours, CUDA graphs"
INT8 = "int8"
NO_CACHE, HUGGINGFACE = "ours without a cache", "Hugging Face"
STATIC = f"{HUGGINGFACE}, static cache"  # on a GPU, where steps with fixed shapes are compiled
PROXY = "CTranslate2, same-size Transformer"
# The minimum ratio to Hugging Face on a CPU with beam 5, in the same precision, or in float32 for int8.
CPU_AIMS = {"fp32": 1.5, "bf16": 1.5, INT8: 3.0}
FIT = "fit"  # the largest batch that fits into memory
PACKAGES = {HUGGINGFACE: "transformers", PROXY: "ctranslate2"}
BOS, PAD, EOS, UNK = 0, 1, 2, 3

Decode = Callable[[dict[str, Any]], list[Tensor]]


class StockAttentionLayer(InheritedDecoderLayer):
    """The inherited layer with fairseq's own attention."""

    build_self_attention = TransformerDecoderLayerBase.build_self_attention
    build_encoder_attention = TransformerDecoderLayerBase.build_encoder_attention


def our_model(options: argparse.Namespace, task: Any) -> Any:
    """Our model, with random weights that make its output depend on position and source."""
    model: Any = models.our_model(options, task)
    nn.init.normal_(model.decoder.embed_positions.weight, std=0.5)
    for layer in model.decoder.layers:
        for projection in (layer.encoder_attn.v_proj, layer.encoder_attn.out_proj):
            nn.init.normal_(projection.weight, std=projection.in_features**-0.5)
    return model.eval()


def our_decoding(name: str, options: argparse.Namespace, beam: int, words: int) -> Decode:
    """Our decoding, with or without a variation, or the same search with stock fairseq modules."""
    task = models.make_task(options.vocabulary)
    model = our_model(options, task)
    if name == STOCK:
        stock = models.stock_model(options, task, StockAttentionLayer).eval()
        models.copy_weights(model, stock, {})
        model = stock
    if name == EXACT or options.precision == INT8:
        model.to(options.device)
    else:
        model.to(options.device, models.PRECISIONS[options.precision])
    if options.precision == INT8 and name in (OURS, RESTRICTED, NO_CACHE):
        set_cpu_precision(model, CPUPrecision.int8)
    generator = LanguageGenerator(
        [model],
        task.target_dictionary,
        target_token=models.LANGUAGE,
        language_tokens={models.LANGUAGE},
        vocabularies=LanguageVocabularies(task) if name == RESTRICTED else None,
        static_steps=name == GRAPHS,
        beam_size=beam,
        min_len=words,
        max_len_b=words,
    )
    if name == NO_CACHE:
        generator.model.has_incremental = False
        model.decoder.output_projection.register_forward_pre_hook(lambda module, inputs: (inputs[0][:, -1:],))

    def decode(sample: dict[str, Any]) -> list[Tensor]:
        return [hypotheses[0]["tokens"] for hypotheses in generator.generate([model], cast(Sample, sample))]

    return decode


def huggingface_decoding(name: str, options: argparse.Namespace, beam: int, words: int) -> Decode:
    """Hugging Face's beam search with our forced first words, forbidden words and length."""
    from huggingface_decoder import huggingface_model
    from transformers import LogitsProcessor, LogitsProcessorList

    class Length(LogitsProcessor):
        """Ends hypotheses after ``words`` words with the score of ``</s>``, which ``forced_eos_token_id`` drops."""

        def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
            ends = input_ids.size(1) == words + 2
            end = torch.zeros_like(scores, dtype=torch.bool)
            end[:, EOS] = True
            return scores.masked_fill(~end if ends else end, -torch.inf)

    task = models.make_task(options.vocabulary)
    precision = models.PRECISIONS.get(options.precision, torch.float32)  # Hugging Face has no int8 on a CPU
    model = huggingface_model(our_model(options, task)).to(options.device, precision)

    def decode(sample: dict[str, Any]) -> list[Tensor]:
        tokens = sample["net_input"]["src_tokens"]
        given = tokens.new_tensor([BOS, models.LANGUAGE]).expand(len(tokens), 2)
        found = model.generate(
            input_ids=tokens,
            attention_mask=tokens.ne(PAD),
            decoder_input_ids=given,
            num_beams=beam,
            do_sample=False,
            max_new_tokens=words + 1,
            suppress_tokens=[BOS, PAD, UNK, models.LANGUAGE],
            logits_processor=LogitsProcessorList([Length()]),
            bos_token_id=BOS,
            pad_token_id=PAD,
            eos_token_id=EOS,
            cache_implementation="static" if name == STATIC else None,
        )
        return list(found[:, 2:])

    return decode


def decoding_of(name: str, options: argparse.Namespace, beam: int, words: int) -> Decode:
    """The decoding function of a contestant."""
    if name == PROXY:
        from ctranslate2_decoder import ctranslate2_decoding  # ctranslate2 may be missing

        return ctranslate2_decoding(options, beam, words)
    build = huggingface_decoding if name in (HUGGINGFACE, STATIC) else our_decoding
    return build(name, options, beam, words)


def search_name(beam: int) -> str:
    """The name of a search with this beam size."""
    return "greedy" if beam == 1 else f"beam {beam}"


def largest_batch(fits: Callable[[int], bool], start: int = 32) -> int:
    """The largest power of 2 times ``start`` for which ``fits`` is true; ``start`` itself must fit."""
    batch = start
    while fits(2 * batch):
        batch *= 2
    return batch


def fits(decode: Decode, options: argparse.Namespace, batch: int) -> bool:
    """Whether the GPU has enough memory to decode ``batch`` sentences."""
    try:
        decode(models.make_batch(batch, options.tokens, options.vocabulary, options.device))
    except torch.OutOfMemoryError:
        return False
    finally:
        torch.cuda.empty_cache()
    return True


def one_turn(name: str, options: argparse.Namespace, beam: int, batch: int | str) -> dict[str, Any]:
    """The seconds, peak memory in MiB, batch size, and the words of the best hypothesis of each sentence."""
    decode = decoding_of(name, options, beam, options.words)
    sentences = largest_batch(partial(fits, decode, options)) if batch == FIT else int(batch)
    sample = models.make_batch(sentences, options.tokens, options.vocabulary, options.device)
    if options.device == "cuda":  # the first call loads and selects kernels for these sizes
        decode(sample)
        torch.cuda.reset_peak_memory_stats()
    else:
        decode(models.make_batch(1, 8, options.vocabulary, options.device))
    found: list[Tensor] = []
    taken = measure.seconds(lambda: found.extend(decode(sample)), options.device)
    words = [hypothesis.tolist() for hypothesis in found]
    return {"seconds": taken, "peak_mib": measure.peak_memory(options.device), "sentences": sentences, "words": words}


def profile(options: argparse.Namespace) -> str:
    """A profile of the first search, for the largest batch given."""
    sentences = max((int(batch) for batch in options.batches if batch != FIT), default=1)
    decode = our_decoding(OURS, options, options.beams[0], options.words)
    sample = models.make_batch(sentences, options.tokens, options.vocabulary, options.device)
    title = f"Where our time goes ({search_name(options.beams[0])}, batch {sentences})"
    return profiling.summary(title, lambda: decode(sample), options.device)


def check_words(setting: str, turns: dict[str, list[dict[str, Any]]], precision: str) -> dict[str, float]:
    """The share of sentences for which each contestant except the proxy generated the same output as ours.

    Raises:
        InputError: in float32, where the computation is the same, a contestant with the whole vocabulary differs.
    """
    shares = {}
    for name, rounds in turns.items():
        if name == PROXY:
            continue
        pairs = list(zip(turns[OURS][0]["words"], rounds[0]["words"], strict=False))
        shares[name] = sum(one == other for one, other in pairs) / len(pairs)
        if precision == "fp32" and name != RESTRICTED and shares[name] < 1:
            raise InputError(f"{setting}: {name} differs from ours in {1 - shares[name]:.0%} of the sentences")
    return shares


def speeds(turns: list[dict[str, Any]]) -> list[float]:
    """Sentences per second in each round."""
    return [turn["sentences"] / turn["seconds"] for turn in turns]


def setting_rows(setting: str, turns: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> list[list[str]]:
    """The rows of the table for one search and batch."""
    shares = check_words(setting, turns, options.precision)
    rows = []
    for name, rounds in turns.items():
        per_batch = [turn["seconds"] for turn in rounds]
        speed = speeds(rounds)
        peak = statistics.median(turn["peak_mib"] for turn in rounds)
        rows.append(
            [setting, name, f"{rounds[0]['sentences']}", measure.spread(per_batch), measure.spread(speed),
             f"{options.words * statistics.median(speed):,.0f}", f"{peak:,.0f}",
             f"{shares[name]:.0%}" if name in shares else "other weights"]
        )  # fmt: skip
    return rows


def setting_ratios(
    setting: str, beam: int, turns: dict[str, list[dict[str, Any]]], options: argparse.Namespace
) -> list[measure.Ratio]:
    """The claims about one search and batch."""
    aim = 3.0 if options.device == "cuda" else CPU_AIMS[options.precision]
    aims = {HUGGINGFACE: {"at_least": aim}} if beam > 1 else {}
    peers = [name for name in (HUGGINGFACE, STATIC, EXACT, STOCK, NO_CACHE, PROXY) if name in turns]
    ours = speeds(turns[OURS])
    ratios = [
        measure.Ratio.of(f"sentences/s, {setting}: ours / {peer}", ours, speeds(turns[peer]), **aims.get(peer, {}))
        for peer in peers
    ]
    variants = {RESTRICTED: "restricted / whole vocabulary", GRAPHS: "CUDA graphs / without"}
    ratios += [
        measure.Ratio.of(f"sentences/s, {setting}: {label}", speeds(turns[name]), ours)
        for name, label in variants.items()
        if name in turns
    ]
    return ratios


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=3)
    parser.add_argument("--arch", default="xlm_swcm_small", help="architecture of this package (default: %(default)s)")
    parser.add_argument(
        "--encoder-layers", type=int, metavar="N", help="number of encoder layers (default: the architecture's)"
    )
    measure.add_numbers(
        parser,
        """
        vocabulary  30_000  number of symbols
        tokens         256  tokens per source
        words           32  words per hypothesis
        """,
    )
    precisions = (*models.PRECISIONS, INT8)
    parser.add_argument(
        "--precision", choices=precisions, default="fp32", help="int8 quantizes linear layers, on a CPU (fp32)"
    )
    parser.add_argument("--beams", type=int, nargs="+", default=[5, 1], metavar="N", help="beam sizes (default: 5 1)")
    parser.add_argument("--batches", nargs="+", default=["1", "4"], metavar="N", help=f"batch sizes, or {FIT} (1 4)")
    return parser


def check(options: argparse.Namespace) -> None:
    """Raise :class:`InputError` for options that cannot be measured."""
    for batch in options.batches:
        if batch == FIT and options.device != "cuda":
            raise InputError(f"--batches {FIT}: only works on a GPU; give numbers, or add --device cuda")
        if batch != FIT and (not batch.isdecimal() or int(batch) < 1):
            raise InputError(f"--batches {batch}: give numbers of 1 or more, or {FIT}")
    if options.words > options.tokens - 3:
        raise InputError(
            f"--words {options.words}: give at most {options.tokens - 3} (--tokens {options.tokens} minus 3)"
        )
    if options.precision == INT8 and options.device == "cuda":
        raise InputError("--precision int8: only works on a CPU; give bf16, or --device cpu")


def without_proxy(options: argparse.Namespace) -> list[str]:
    """A line for the report if CTranslate2 cannot take part, otherwise none."""
    elsewhere = ""
    if options.device != "cpu" or options.precision not in ("fp32", INT8):
        elsewhere = "it is compared only in float32 and int8 on a CPU"
    return models.without("CTranslate2", "ctranslate2", "ctranslate2", elsewhere)


def contestants(options: argparse.Namespace) -> list[str]:
    """The names of all contestants that can take part."""
    names = [OURS, RESTRICTED, STOCK, NO_CACHE, *([] if models.without_huggingface() else [HUGGINGFACE])]
    if options.device == "cuda":
        names += [STATIC, GRAPHS] if HUGGINGFACE in names else [GRAPHS]
    if options.precision == INT8:  # contestants without int8 do not take part
        names = [name for name in names if name != STOCK]
    if options.precision != "fp32" and options.device == "cpu":
        names.insert(1, EXACT)
    return names if without_proxy(options) else [*names, PROXY]


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    options.dropout = 0.0
    check(options)
    torch.set_num_threads(options.threads)
    names = contestants(options)
    rows, ratios, raw = [], [], {}
    for beam, batch in itertools.product(options.beams, options.batches):
        setting = f"{search_name(beam)}, batch {batch}"
        print(setting, file=sys.stderr)
        turns = measure.alternate(
            options.rounds, {name: partial(measure.apart, one_turn, name, options, beam, batch) for name in names}
        )
        rows += setting_rows(setting, turns, options)
        ratios += setting_ratios(setting, beam, turns, options)
        raw[setting] = {
            name: [{key: value for key, value in turn.items() if key != "words"} for turn in rounds]
            for name, rounds in turns.items()
        }
    clock = "of wall-clock time" if options.device == "cuda" else "of processor time"
    report = measure.Report(
        question="decoding" if options.precision == "fp32" else f"decoding_{options.precision}",
        title="Decoding" if options.precision == "fp32" else f"Decoding in {options.precision}",
        device=options.device,
        settings=[
            f"{options.arch}, {options.vocabulary:,} symbols, sources of {options.tokens} tokens, hypotheses of "
            f"{options.words} words, {options.precision}, equal weights",
            f"{options.rounds} rounds; median (range); seconds {clock}",
            *models.without_huggingface(),
            *without_proxy(options),
        ],
        headers=["search", "", "sentences", "s per batch", "sentences/s", "words/s", "peak MiB", "same output as ours"],
        rows=rows,
        ratios=ratios,
        notes=[measure.apart(profile, options)],
        packages=[package for peer, package in PACKAGES.items() if peer in names],
        raw=raw,
    )
    report.write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
