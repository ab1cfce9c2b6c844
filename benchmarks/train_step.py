"""Compare a training step (forward, backward, AdamW) with the alternatives, with equal weights and batches.

    python benchmarks/train_step.py                                                      # a CPU, float32
    python benchmarks/train_step.py --deltalm ../unilm/deltalm                           # with DeltaLM's plugin
    python benchmarks/train_step.py --device cuda --arch xlm_swcm_base --vocabulary 135364 --sentences 75 \\
        --tokens 256 --precision bf16 --rounds 5 --steps 10 --contestants all            # a GPU, the paper's size

The contestants are: the same layers built from fairseq's own modules, with label_smoothed_cross_entropy; DeltaLM's
decoder layer with fairseq's other modules (--deltalm); Hugging Face's EncoderDecoderModel with the same layers and
weights (benchmarks/huggingface_decoder.py; pip install transformers); on a GPU, the same with Liger's
fused loss at its fastest chunk size (benchmarks/liger_loss.py; pip install liger-kernel); stock fairseq and Hugging
Face with compiled layers; ours, and ours with scheduled sampling (all inputs replaced), with the softmax over a quarter
of the vocabulary, with checkpointed activations, and with compiled layers. All clip gradients, have float32 copies of
half-precision parameters, and read the same padded batch.

Each turn runs in a separate process. torch.utils.flop_counter counts the work in a step of stock fairseq: matrix
products and attention, forward and backward, without recomputation. The rate of the machine is that of a product of two
square matrices in the same precision, measured in this run.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import contestants as models
import measure
import profiling
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from swcm_fairseq import compilation
from swcm_fairseq.errors import InputError, run_command

STOCK, DELTALM, HUGGINGFACE, OURS = "stock fairseq", "DeltaLM", "Hugging Face", "ours"
LIGER = f"{HUGGINGFACE}, Liger's loss"
COMPILED_PEERS = {f"{STOCK}, compiled layers": STOCK, f"{HUGGINGFACE}, compiled layers": HUGGINGFACE}
# variant -> the model options and criterion options that it changes
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    OURS: ({}, {}),
    "ours, scheduled sampling": ({}, {"teacher_forcing_final_ratio": 0.0, "teacher_forcing_decay_end": 1}),
    "ours, restricted vocabulary": ({}, {"restrict_vocabulary": True}),
    "ours, checkpointed activations": ({"checkpoint_activations": True}, {}),
    "ours, compiled layers": ({"compile_layers": True}, {}),
}
PACKAGES = {HUGGINGFACE: "transformers", LIGER: "liger-kernel"}
COMPILED, SAMPLING = "ours, compiled layers", "ours, scheduled sampling"
MATRIX = {"cpu": 2048, "cuda": 8192}  # rows of the square matrices used to measure the rate


def build(name: str, options: argparse.Namespace, changes: dict[str, Any]) -> tuple[nn.Module, Any, dict[str, Any]]:
    """The model and criterion of a contestant, and the batch; ``changes`` are options of our model."""
    task = models.make_task(options.vocabulary)
    size = options.sentences, options.tokens, options.vocabulary, options.device
    sample = models.make_batch(*size, options.padding, facts=name in VARIANTS)
    if name in COMPILED_PEERS:
        model, criterion, sample = build(COMPILED_PEERS[name], options, changes)
        # Each layer of a peer may have its own graph; above the limit, torch would silently run layers uncompiled.
        torch._dynamo.config.recompile_limit, torch._dynamo.config.fail_on_recompile_limit_hit = 64, True
        for module in model.modules():
            if isinstance(module, nn.ModuleList) and len(module) and not isinstance(module[0], nn.Linear):
                for layer in module:
                    layer.compile(backend=options.backend)
        return model, criterion, sample
    if name in VARIANTS:
        of_model, of_criterion = VARIANTS[name]
        if name == COMPILED:
            compilation.BACKEND = options.backend
            torch._dynamo.config.fail_on_recompile_limit_hit = True  # nothing may silently run uncompiled
        model = models.our_model(options, task, **of_model, **changes)
        return model, models.our_criterion(options, task, **of_criterion), sample
    if name == HUGGINGFACE:
        from huggingface_decoder import huggingface_model  # transformers may be missing

        return huggingface_model(models.our_model(options, task)), models.huggingface_criterion, sample
    if name == LIGER:
        import liger_loss
        from huggingface_decoder import huggingface_model
        from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

        model = huggingface_model(models.our_model(options, task))
        model.decoder.lm_head = liger_loss.FeaturesOnly(model.decoder.lm_head)
        return model, liger_loss.LigerLoss(liger_fused_linear_cross_entropy), sample
    layer_class = models.deltalm_layer(options.deltalm) if name == DELTALM else models.StockInheritedLayer
    model = models.stock_model(options, task, layer_class)
    names = models.DELTALM_NAMES if name == DELTALM else {}
    models.copy_weights(models.our_model(options, task), model, names)
    return model, models.stock_criterion(options, task), sample


def make_step(model: nn.Module, criterion: Any, sample: dict[str, Any]) -> Callable[[], None]:
    """The measured step: forward, backward, clipping and AdamW, on float32 copies of half-precision parameters."""
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    half = parameters[0].dtype != torch.float32
    masters = [parameter.detach().float().requires_grad_() for parameter in parameters] if half else parameters
    optimizer = torch.optim.AdamW(masters, lr=1e-6, fused=True)

    def step() -> None:
        for parameter in parameters:
            parameter.grad = None
        criterion(model, sample)[0].backward()
        for master, parameter in zip(masters, parameters, strict=True):
            if half:
                master.grad = None if parameter.grad is None else parameter.grad.float()
        torch.nn.utils.clip_grad_norm_(masters, 1.0, foreach=True)
        optimizer.step()
        if half:
            torch._foreach_copy_([parameter.data for parameter in parameters], [master.data for master in masters])

    return step


def one_turn(name: str, options: argparse.Namespace, changes: dict[str, Any]) -> dict[str, Any]:
    """The loss without dropout, the FLOPs of a step, the seconds per step after the first, and the peak MiB."""
    torch.set_num_threads(options.threads)
    model, criterion, sample = build(name, options, changes)
    model.to(options.device, models.PRECISIONS[options.precision])
    with torch.no_grad():
        total, _, log = criterion(model.eval(), sample)
    step = make_step(model, criterion, sample)
    counter = FlopCounterMode(display=False)
    if name == STOCK:
        with counter:
            step()
    else:
        step()
    if options.device == "cuda":
        torch.cuda.synchronize()
    times = [measure.seconds(step, options.device) for _ in range(options.steps)]
    return {
        "loss": float(total) / sample["ntokens"],
        "liger_budget": log.get("budget"),
        "flops": counter.get_total_flops(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": statistics.median(times),
        "peak_mib": measure.peak_memory(options.device),
    }


def profile(options: argparse.Namespace) -> str:
    """A profile of our training step, as Markdown."""
    torch.set_num_threads(options.threads)
    model, criterion, sample = build(OURS, options, {})
    model.to(options.device, models.PRECISIONS[options.precision])
    return profiling.summary("Where the time of our step goes", make_step(model, criterion, sample), options.device)


def matmul_rate(options: argparse.Namespace) -> float:
    """The floating-point operations per second of a product of two square matrices, the best of ten."""
    torch.set_num_threads(options.threads)
    size = MATRIX[options.device]
    matrix = torch.randn(size, size, device=options.device).to(models.PRECISIONS[options.precision])
    matrix @ matrix
    return 2 * size**3 / min(measure.seconds(lambda: matrix @ matrix, options.device) for _ in range(10))


def table(options: argparse.Namespace, results: dict[str, list[dict]], rate: float) -> list[list[str]]:
    """The rows of the table in the report."""
    tokens = options.sentences * options.tokens * (1 - options.padding)
    rows = []
    for name, turns in results.items():
        times = [turn["seconds"] for turn in turns]
        work = results[STOCK][0]["flops"]
        first = turns[0]
        rows.append(
            [
                name,
                f"{first['parameters'] / 1e6:.1f}M",
                measure.spread(times, 3),
                f"{tokens / statistics.median(times):,.0f}",
                measure.spread([turn["peak_mib"] for turn in turns], 0),
                f"{work / statistics.median(times) / rate:.0%}",
                f"{first['loss']:.4f}",
            ]
        )
    return rows


def ratios(options: argparse.Namespace, results: dict[str, list[dict]], rate: float) -> list[measure.Ratio]:
    """Our model compared with each peer and the rate of matrix products; our variants with teacher forcing."""
    tokens = options.sentences * options.tokens * (1 - options.padding)
    speed = {name: [tokens / turn["seconds"] for turn in turns] for name, turns in results.items()}
    memory = {name: [turn["peak_mib"] for turn in turns] for name, turns in results.items()}
    on_gpu = options.device == "cuda"
    shares = [results[STOCK][0]["flops"] / turn["seconds"] / rate for turn in results[OURS]]
    claims = []
    for name in results:
        if name == OURS:
            continue
        variant = name in VARIANTS
        above, below = (name, OURS) if variant else (OURS, name)
        label = f"{name} / teacher forcing" if variant else f"ours / {name}"
        aims: tuple[dict, dict] = ({"at_least": 1.5}, {"at_most": 0.42}) if on_gpu and name == STOCK else ({}, {})
        if on_gpu and name == SAMPLING:
            aims = {"at_least": 1 / 1.35}, {}
        claims.append(measure.Ratio.of(f"tokens/s, {label}", speed[above], speed[below], **aims[0]))
        claims.append(measure.Ratio.of(f"peak MiB, {label}", memory[above], memory[below], **aims[1]))
    aim: dict[str, Any] = {"at_least": 0.5} if on_gpu else {}
    return [*claims, measure.Ratio("work of a step / the matrix-product rate, ours", shares, **aim)]


def without_liger(options: argparse.Namespace) -> list[str]:
    """A line for the report if Liger's loss cannot take part, otherwise none."""
    if options.device != "cuda":
        elsewhere = "it needs a GPU"
    else:
        elsewhere = "it is measured with Hugging Face's model" if models.without_huggingface() else ""
    return models.without("Liger's loss", "liger_kernel", "liger-kernel", elsewhere)


def chosen(options: argparse.Namespace) -> list[str]:
    """The contestants, in order.

    Raises:
        InputError: a chosen contestant cannot run here.
    """
    if options.deltalm:
        models.deltalm_layer(options.deltalm)  # reports a wrong directory before anything is measured
    peers = [STOCK, *([DELTALM] if options.deltalm else []), *([] if models.without_huggingface() else [HUGGINGFACE])]
    peers += [] if without_liger(options) else [LIGER]
    names = [*peers, *(name for name, peer in COMPILED_PEERS.items() if peer in peers), *VARIANTS]
    if options.contestants == ["all"]:
        return names
    if options.contestants is None:
        return [name for name in names if "compiled" not in name]
    for name in options.contestants:
        if name not in names:
            raise InputError(f"--contestants {name!r}: choose among {', '.join(map(repr, names))}")
    return [name for name in names if name in (STOCK, OURS, *options.contestants)]


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=3)
    models.add_model_options(parser, vocabulary=30_000, sentences=4, tokens=128)
    parser.set_defaults(padding=0.1)
    parser.add_argument("--steps", type=int, default=1, metavar="N", help="timed steps per turn (default: 1)")
    parser.add_argument(
        "--backend", default=compilation.BACKEND, metavar="NAME", help="backend of torch.compile for compiled layers; "
        "aot_eager only shows that they can be compiled (default: %(default)s)"
    )  # fmt: skip
    parser.add_argument("--deltalm", type=Path, metavar="DIR", help="directory deltalm of github.com/microsoft/unilm")
    parser.add_argument(
        "--contestants", nargs="+", metavar="NAME", help='"all", or names to add to stock fairseq and ours (default: '
        "all except compiled layers)"
    )  # fmt: skip
    return parser


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    models.check_model_options(options)
    torch.set_num_threads(options.threads)
    names = chosen(options)
    rate = measure.apart(matmul_rate, options)
    results = measure.alternate(
        options.rounds, {name: partial(measure.apart, one_turn, name, options, {}) for name in names}
    )
    report = measure.Report(
        title="A training step",
        device=options.device,
        settings=[
            *models.settings(options),
            f"matrix products: {rate / 1e12:.3f} TFLOP/s",
            *models.without_huggingface(),
            *without_liger(options),
            *(f"{LIGER}: chunk_mem_const {turn['liger_budget']}" for turn in results.get(LIGER, [])[:1]),
        ],
        headers=[
            "",
            "parameters",
            "s/step",
            "tokens/s",
            "peak MiB",
            "share of the matrix-product rate",
            "initial loss",
        ],
        rows=table(options, results, rate),
        ratios=ratios(options, results, rate),
        notes=[measure.apart(profile, options)],
        packages=[package for peer, package in PACKAGES.items() if peer in names],
        raw={"results": results, "flops_per_second": rate},
    )
    report.write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
