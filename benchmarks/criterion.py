"""Time and memory of a training step: swcm_cross_entropy beside fairseq's label_smoothed_cross_entropy.

    python benchmarks/criterion.py                                                    # a CPU, float32
    python benchmarks/criterion.py --device cuda --arch xlm_swcm_base --sentences 75 --tokens 256 --precision bf16

Same model, same batch, same machine, in one run: every round measures each variant in a process of its own, one after
the other, and the next round begins elsewhere in the list. A step is forward, backward and AdamW. Sentences have full
length, so that nothing is gained by leaving out padding. Writes a Markdown and a JSON file.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import torch
from fairseq import version as fairseq_version
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.models import ARCH_MODEL_REGISTRY

import swcm_fairseq
from swcm_fairseq.criterions.swcm_cross_entropy import SWCMCrossEntropyConfig, SWCMCrossEntropyCriterion

STOCK, OURS = "label_smoothed_cross_entropy", "swcm_cross_entropy"
# name -> share of teacher forcing, None for the stock criterion
VARIANTS = {STOCK: None, OURS: 1.0, f"{OURS}, ratio 0.5": 0.5, f"{OURS}, ratio 0": 0.0}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
MIB = 2**20


def make_task(vocabulary: int) -> SimpleNamespace:
    """As much of a task as model and criterion need, with ``vocabulary`` words."""
    dictionary = Dictionary()
    for i in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(f"w{i}")
    return SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)


def make_batch(sentences: int, tokens: int, vocabulary: int, device: torch.device) -> dict:
    """``<s> <xx> words </s>`` on both sides, ``tokens`` positions each, words at random."""
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(4, vocabulary, (2, sentences, tokens + 1), generator=generator)
    words[:, :, 0] = 0
    words[:, :, -1] = 2
    source, target = words.to(device)
    predicted = target[:, 1:].clone()
    predicted[:, 0] = 1  # the language token is given
    return {
        "id": torch.arange(sentences, device=device),
        "nsentences": sentences,
        "ntokens": predicted.numel() - sentences,
        "net_input": {
            "src_tokens": source[:, :tokens],
            "src_lengths": torch.full((sentences,), tokens, device=device),
            "prev_output_tokens": target[:, :tokens],
        },
        "target": predicted,
    }


def make_criterion(ratio: float | None, task: SimpleNamespace, smoothing: float):
    """The stock criterion for ``ratio`` None, else ours at that share of teacher forcing."""
    if ratio is None:
        return LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=smoothing)
    cfg = SWCMCrossEntropyConfig(
        label_smoothing=smoothing,
        teacher_forcing_final_ratio=ratio,
        teacher_forcing_decay_end=1,
        sentence_avg=False,
        seed=1,
    )
    return SWCMCrossEntropyCriterion(cfg, task)


def peak_memory(device: torch.device) -> float:
    """The most memory so far in MiB: allocated on the GPU, or resident in the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(options: argparse.Namespace, variant: str) -> dict:
    """Seconds of each step after a first one, peak memory in MiB with the model and in all, last loss."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    task = make_task(options.vocabulary)
    model_class = ARCH_MODEL_REGISTRY[options.arch]
    config = getattr(model_class, "__dataclass")()
    config.max_source_positions = config.max_target_positions = options.tokens
    config.encoder_layers = options.encoder_layers or config.encoder_layers
    config.checkpoint_activations = options.checkpoint_activations
    model = model_class.from_config(config, task.target_dictionary).to(device, PRECISIONS[options.precision]).train()
    model.set_num_updates(1)
    criterion = make_criterion(VARIANTS[variant], task, options.label_smoothing)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, foreach=False)
    sample = make_batch(options.sentences, options.tokens, options.vocabulary, device)
    result = {"variant": variant, "model_mib": peak_memory(device), "tokens": sample["ntokens"], "seconds": []}
    # On a CPU, processor seconds of this process: other programs on the machine hardly change them.
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    for step in range(options.steps + 1):
        before = clock()
        optimizer.zero_grad()
        loss, _, log = criterion(model, sample)
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if step:
            result["seconds"].append(clock() - before)
        result["loss"] = float(log["loss"]) / sample["ntokens"]
        result["replaced"] = int(log.get("replaced", 0))
    return {**result, "peak_mib": peak_memory(device)}


def run_rounds(options: argparse.Namespace, arguments: list[str]) -> Iterator[list[dict]]:
    """One list for each round, in the order of VARIANTS."""
    names = list(VARIANTS)
    for number in range(options.rounds):
        found = {}
        for name in names[number % len(names) :] + names[: number % len(names)]:
            command = [sys.executable, __file__, *arguments, "--measure", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[name] = json.loads(done.stdout.splitlines()[-1])
            seconds = statistics.median(found[name]["seconds"])
            print(
                f"round {number + 1}/{options.rounds}  {name:32}{seconds:8.3f} s {found[name]['peak_mib']:9.0f} MiB",
                flush=True,
            )
        yield [found[name] for name in names]


def spread(values: list[float], digits: int = 2) -> str:
    """Median and range, as ``0.48 (0.47-0.50)``."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f}-{most:.{digits}f})"


def seconds_of(results: list[dict]) -> list[float]:
    """The median step of each process."""
    return [statistics.median(result["seconds"]) for result in results]


def ratios(rounds: list[list[dict]]) -> list[tuple[str, list[float], str]]:
    """What is claimed: name, ratio in each round, aim."""
    names = list(VARIANTS)
    by_name = {name: [row[i] for row in rounds] for i, name in enumerate(names)}
    time_of = {name: seconds_of(results) for name, results in by_name.items()}
    memory_of = {name: [result["peak_mib"] for result in results] for name, results in by_name.items()}

    def divide(above: list[float], below: list[float]) -> list[float]:
        return [a / b for a, b in zip(above, below, strict=True)]

    return [
        ("peak memory, ours / stock", divide(memory_of[OURS], memory_of[STOCK]), "at most 0.5"),
        ("tokens/s, ours / stock", divide(time_of[STOCK], time_of[OURS]), "at least 1.3"),
        *(
            (f"step with scheduled sampling / teacher forcing: {name.removeprefix(OURS + ', ')}",
             divide(time_of[name], time_of[OURS]), "at most 1.35")
            for name in names[2:]
        ),
    ]  # fmt: skip


def machine(device: str) -> str:
    """Processor or GPU, memory, threads; no names of people or hosts."""
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    name = models[0] if models else platform.machine()
    return f"{name}, {len(models)} cores, {torch.get_num_threads()} thread(s), {platform.system()}"


def report(options: argparse.Namespace, rounds: list[list[dict]], command: str, note: str) -> str:
    """The Markdown file."""
    layers = f" with {options.encoder_layers} encoder layers" if options.encoder_layers else ""
    checkpointed = ", activations checkpointed" if options.checkpoint_activations else ""
    lines = [
        "# A training step with a large vocabulary",
        "",
        f"`{command}`",
        "",
        f"* {machine(options.device)}",
        f"* Python {platform.python_version()}, torch {torch.__version__}, fairseq {fairseq_version.__version__}, "
        f"swcm_fairseq {swcm_fairseq.__version__}",
        f"* {options.arch}{layers}{checkpointed}, {options.vocabulary:,} words, "
        f"{options.sentences} x {options.tokens} tokens, "
        f"{options.precision}, label smoothing {options.label_smoothing}",
        f"* {len(rounds)} rounds, {options.steps} timed steps each after a first one; median (range) over rounds; "
        f"{'seconds on the clock' if options.device == 'cuda' else 'processor seconds'}",
        *([f"* {note}"] if note else []),
        "",
        "| criterion | s/step | tokens/s | peak MiB | of it before the first step | loss (nats) |",
        "|---|---|---|---|---|---|",
    ]
    for i, name in enumerate(VARIANTS):
        results = [row[i] for row in rounds]
        seconds = seconds_of(results)
        speed = results[0]["tokens"] / statistics.median(seconds)
        peaks, models = ([result[key] for result in results] for key in ("peak_mib", "model_mib"))
        lines.append(
            f"| {name} | {spread(seconds)} | {speed:,.0f} | {spread(peaks, 0)} | {statistics.median(models):.0f} "
            f"| {results[0]['loss']:.4f} |"
        )
    lines += ["", "| ratio | measured | aim |", "|---|---|---|"]
    lines += [f"| {name} | {spread(values)} | {aim} |" for name, values, aim in ratios(rounds)]
    return "\n".join(lines) + "\n"


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train")
    parser.add_argument("--arch", default="xlm_swcm_small", help="architecture of this package")
    parser.add_argument("--encoder-layers", type=int, help="other than the architecture's")
    parser.add_argument("--checkpoint-activations", action="store_true", help="compute them again in the backward pass")
    parser.add_argument("--vocabulary", type=int, default=135_364, help="words of the dictionary, specials included")
    parser.add_argument("--sentences", type=int, default=16, help="sentences in a batch")
    parser.add_argument("--tokens", type=int, default=128, help="positions of a sentence")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="fp32", help="of model and optimizer")
    parser.add_argument("--label-smoothing", type=float, default=0.1, help="of both criterions")
    parser.add_argument("--rounds", type=int, default=5, help="how often each variant is measured")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each measurement")
    parser.add_argument("--note", default="", help="one line for the report, such as the load of the machine")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="directory of the report")
    parser.add_argument("--measure", choices=tuple(VARIANTS), help=argparse.SUPPRESS)  # one variant, in its process
    return parser


def main() -> None:
    """Measure all variants and write the report."""
    options = make_parser().parse_args()
    if options.measure:
        print(json.dumps(measure(options, options.measure)))
        return
    arguments = sys.argv[1:]
    shown = [word for word in arguments if word not in ("--note", options.note, "--output", str(options.output))]
    command = " ".join(["python benchmarks/criterion.py", *shown])
    settings = {key: value for key, value in vars(options).items() if key not in ("measure", "output")}
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / f"criterion_{options.device}_{options.arch}_{datetime.now(UTC):%Y-%m-%d}"
    rounds = []
    for measured in run_rounds(options, arguments):  # an interrupted run leaves a report of its whole rounds
        rounds.append(measured)
        text = report(options, rounds, command, options.note)
        stem.with_suffix(".md").write_text(text, encoding="utf-8")
        content = {"settings": settings, "machine": machine(options.device), "rounds": rounds}
        stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"\n{text}\nwritten: {stem}.md, {stem}.json")


if __name__ == "__main__":
    main()
