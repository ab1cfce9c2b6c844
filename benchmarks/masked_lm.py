"""Measure a step of masked language modeling with a pruned vocabulary or a softmax over one language's pieces.

    python benchmarks/masked_lm.py                                                    # a CPU, float32
    python benchmarks/masked_lm.py --device cuda --layers 12 --width 768 --sentences 128 --tokens 256 \\
        --precision bf16 --rounds 5 --steps 10

CINO (Yang et al. 2022) reports that a step takes about 35% less time with 135,359 pieces than with 274,701 (section
3.1), and another 10% less with the softmax over the pieces of one language (section 3.2.2). The model is always
fairseq's RoBERTa, and 20% of the tokens are predicted. A step is forward, backward and AdamW. Each turn runs in a
separate process.
"""

import argparse
import statistics
from argparse import Namespace
from functools import partial
from types import SimpleNamespace
from typing import Any

import contestants as models
import measure
import torch
from fairseq.criterions.masked_lm import MaskedLmConfig, MaskedLmLoss
from fairseq.models.roberta import RobertaModel
from fairseq.models.roberta.model import base_architecture

from swcm_fairseq.criterions.fast_masked_lm import FastMaskedLMCriterion
from swcm_fairseq.errors import run_command

WHOLE, PRUNED, FAST = "masked_lm, before pruning", "masked_lm, pruned", "fast_masked_lm, pruned"
MASKED = 0.2  # share of tokens to predict (CINO, Table 7)


def make_task(vocabulary: int, words: int) -> SimpleNamespace:
    """The parts of a task that model and criterion need; its only language has the first ``words`` pieces."""
    task = models.make_task(vocabulary)
    task.language_vocabulary = lambda lang: torch.arange(words)
    task.langs, task.keep_languages_apart = ["zh"], lambda: None
    return task


def make_model(options: argparse.Namespace, task: SimpleNamespace) -> RobertaModel:
    """fairseq's RoBERTa of the requested size."""
    torch.manual_seed(0)
    args = Namespace(encoder_layers=options.layers, encoder_embed_dim=options.width, max_positions=options.tokens)
    args.encoder_ffn_embed_dim, args.encoder_attention_heads = 4 * options.width, options.width // 64
    base_architecture(args)
    return RobertaModel.build_model(args, task)


def make_batch(options: argparse.Namespace) -> dict[str, Any]:
    """A batch of texts of full length, made of pieces of the language."""
    generator = torch.Generator().manual_seed(0)
    shape = (options.sentences, options.tokens)
    text = torch.randint(4, options.language, shape, generator=generator)
    hidden = torch.rand(shape, generator=generator) < MASKED
    source, target = text.masked_fill(hidden, 3), text.masked_fill(~hidden, 1)
    return {
        "net_input": {"src_tokens": source.to(options.device)},
        "target": target.to(options.device),
        "lang": torch.zeros(options.sentences, dtype=torch.long, device=options.device),
        "nsentences": options.sentences,
        "ntokens": text.numel(),
    }


def one_turn(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The seconds per step after the first, the peak memory in MiB, and the loss of the last step."""
    torch.set_num_threads(options.threads)
    task = make_task(options.unpruned if name == WHOLE else options.vocabulary, options.language)
    model = make_model(options, task).to(options.device, models.PRECISIONS[options.precision]).train()
    criterion = (FastMaskedLMCriterion if name == FAST else MaskedLmLoss)(MaskedLmConfig(tpu=False), task)
    batch = make_batch(options)
    step, logs = models.plain_step(model, criterion, batch)
    times = [measure.seconds(step, options.device) for _ in range(options.steps + 1)]
    loss = float(logs[-1]["loss"]) / float(logs[-1]["sample_size"])
    return {
        "seconds": statistics.median(times[1:]),
        "peak_mib": measure.peak_memory(options.device),
        "loss": loss,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=3)
    add = parser.add_argument
    measure.add_numbers(
        parser,
        """
        layers            4  encoder layers
        width           256  number of hidden units, a multiple of 64
        unpruned    274_701  number of symbols before pruning
        vocabulary  135_359  number of symbols after pruning
        language     40_000  number of pieces of the language
        sentences        16  sentences per batch
        tokens          128  tokens per sentence
        """,
    )
    add("--precision", choices=tuple(models.PRECISIONS), default="fp32", help="precision of model and optimizer (fp32)")
    add("--steps", type=int, default=2, metavar="N", help="timed steps per turn (default: %(default)s)")
    return parser


def main() -> None:
    """Measure all variants and write the report."""
    options = build_parser().parse_args()
    names = (WHOLE, PRUNED, FAST)
    results = measure.alternate(
        options.rounds, {name: partial(measure.apart, one_turn, name, options) for name in names}
    )
    seconds = {name: [turn["seconds"] for turn in turns] for name, turns in results.items()}
    rows = [
        [
            name,
            f"{turns[0]['parameters'] / 1e6:.1f}M",
            measure.spread(seconds[name]),
            measure.spread([turn["peak_mib"] for turn in turns], 0),
            f"{turns[-1]['loss']:.4f}",
        ]
        for name, turns in results.items()
    ]
    report = measure.Report(
        title="A step of masked language modeling: pruned vocabulary and the softmax of one language",
        device=options.device,
        settings=[
            f"RoBERTa with {options.layers} layers of {options.width}, {options.unpruned:,} symbols before and "
            f"{options.vocabulary:,} after pruning, {options.language:,} of the language; {options.sentences} x "
            f"{options.tokens} tokens, {options.precision}",
            measure.describe_rounds(options),
        ],
        headers=["", "parameters", "s/step", "peak MiB", "loss (nats)"],
        rows=rows,
        ratios=[
            measure.Ratio.of("s/step, pruned / before (the paper: 0.65)", seconds[PRUNED], seconds[WHOLE]),
            measure.Ratio.of("s/step, one language / pruned (the paper: 0.90)", seconds[FAST], seconds[PRUNED]),
        ],
        raw=results,
    )
    report.write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
