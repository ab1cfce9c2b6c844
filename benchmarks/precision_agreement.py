"""What a trained model writes in bfloat16 and int8 on a CPU beside float32: words, scores and speed.

    python benchmarks/precision_agreement.py DIRECTORY --input test.bo --reference test.zh -s bo -t zh

DIRECTORY is written by python -m swcm_fairseq.export. For each precision: the share of positions where the model, given
the reference so far, predicts the same most probable word; the share of texts for which beam search writes the same;
ROUGE-L and chrF against the reference; and texts per second of processor time.
"""

import argparse
from pathlib import Path
from typing import Any

import measure
import torch

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.cpu_precision import CPUPrecision
from swcm_fairseq.tasks.validation import EvalMetric, build_metric

METRICS = (EvalMetric.rouge_l, EvalMetric.chrf)


def read(path: Path, most: int) -> list[str]:
    """The first lines."""
    try:
        return path.read_text(encoding="utf-8").splitlines()[:most]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


@torch.no_grad()
def favourites(hub: Any, options: argparse.Namespace, sources: list[str], targets: list[str]) -> list[int]:
    """The most probable word at each position of each target, given what comes before."""
    found: list[int] = []
    hub.task.build_generator(hub.models, hub.cfg.generation)  # sets the precision
    ids = [[torch.from_numpy(text) for text in hub.vocabulary.encode(side)] for side in (sources, targets)]
    languages = options.source_lang, options.target_lang
    read, written = (
        hub.task.build_dataset_for_inference(side, None, source_lang=lang, target_lang=lang)
        for side, lang in zip(ids, languages, strict=True)
    )
    for i in range(len(read)):
        batch = read.collater([read[i]])["net_input"]
        scores, _ = hub.models[0](batch["src_tokens"], batch["src_lengths"], written[i]["source"][None, :-1])
        found += scores[0, 1:].argmax(-1).tolist()
    return found


def measured(options: argparse.Namespace, precision: str, sources: list[str], targets: list[str]) -> dict[str, Any]:
    """The results of one precision."""
    torch.set_num_threads(options.threads)
    model: Any = XLMSWCMModel.from_pretrained(str(options.directory), cpu_precision=precision)
    languages = {"source_lang": options.source_lang, "target_lang": options.target_lang}
    texts: list[str] = []

    def write() -> None:
        texts.extend(model.generate(sources, **languages, beam=options.beam, max_len_b=options.words, batch_size=8))

    model.generate(sources[:1], **languages, beam=options.beam, max_len_b=options.words)
    taken = measure.seconds(write, "cpu")
    scores = {
        each.value: build_metric(each, options.target_lang).corpus_score(texts, [targets]).score for each in METRICS
    }
    return {"texts": texts, "seconds": taken, "favourites": favourites(model, options, sources, targets), **scores}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=1)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="the exported model")
    parser.add_argument("--input", type=Path, required=True, metavar="FILE", help="texts, one per line")
    parser.add_argument("--reference", type=Path, required=True, metavar="FILE", help="expected outputs, one per line")
    parser.add_argument("-s", "--source-lang", required=True, metavar="LANG", help="language of the texts")
    parser.add_argument("-t", "--target-lang", required=True, metavar="LANG", help="language to write")
    parser.add_argument("--beam", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--words", type=int, default=40, metavar="N", help="maximum words per text (default: 40)")
    parser.add_argument("--samples", type=int, default=100, metavar="N", help="the first N lines (default: 100)")
    return parser


def share(ours: list[Any], theirs: list[Any]) -> float:
    """The share of equal entries."""
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / max(len(ours), 1)


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    sources, targets = read(options.input, options.samples), read(options.reference, options.samples)
    if len(sources) != len(targets) or not sources:
        raise InputError(f"{options.reference}: {len(targets)} lines for {len(sources)} texts; give one for each")
    names = [precision.value for precision in CPUPrecision]
    found = {name: measure.apart(measured, options, name, sources, targets) for name in names}
    exact = found[names[0]]
    speeds = {name: len(sources) / each["seconds"] for name, each in found.items()}
    rows = [
        [
            name,
            f"{share(each['favourites'], exact['favourites']):.1%}",
            f"{share(each['texts'], exact['texts']):.1%}",
            *(f"{each[metric.value]:.2f}" for metric in METRICS),
            f"{speeds[name]:.2f}",
        ]
        for name, each in found.items()
    ]
    measure.Report(
        question="precision_agreement",
        title="Precisions on a CPU: what stays the same",
        device="cpu",
        settings=[
            f"{len(sources)} texts from {options.source_lang} into {options.target_lang}, beam {options.beam}",
            *([options.note] if options.note else []),
        ],
        headers=["", "most probable words as in float32", "texts as in float32", "ROUGE-L", "chrF", "texts/s"],
        rows=rows,
        ratios=[measure.Ratio(f"texts/s, {name} / float32", [speeds[name] / speeds[names[0]]]) for name in names[1:]],
        raw=found,
    ).write(options.output)


if __name__ == "__main__":
    run_command(main)
