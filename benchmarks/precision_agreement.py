"""Compare the words, texts and scores of a trained model in bfloat16 and int8 on a CPU with those in float32.

    python benchmarks/precision_agreement.py DIRECTORY --pair bo-zh=test.bo,test.zh [...]

DIRECTORY is written by swcm export. A pair is a direction with its texts and references, one per line. For each pair
and precision, the report gives the share of positions at which the model, given the reference so far, predicts the same
most probable word; the share of texts for which beam search generates the same output; and ROUGE-L and chrF with the
reference. For the speed of the precisions, see benchmarks/decoding.py --precision.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import torch

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.cpu_precision import CPUPrecision
from swcm_fairseq.scoring.segment_files import check_lengths, read_texts
from swcm_fairseq.tasks.validation import EvalMetric, build_metric

METRICS = {EvalMetric.rouge_l: "ROUGE-L", EvalMetric.chrf: "chrF"}
EXACT = CPUPrecision.float32.value
WORDS, TEXTS = "most probable words as in float32", "texts as in float32"  # the shares that are claims


@dataclass(frozen=True)
class Pair:
    """Texts in ``source`` with their references in ``target`` (language codes)."""

    source: str
    target: str
    texts: list[str]
    references: list[str]

    @classmethod
    def read(cls, text: str, most: int) -> "Pair":
        """The first ``most`` lines of ``SOURCE-TARGET=TEXTS,REFERENCES``; raises :class:`InputError`."""
        direction, _, files = text.partition("=")
        languages, paths = direction.split("-"), [Path(name) for name in files.split(",")]
        if len(languages) != 2 or len(paths) != 2:
            raise InputError(f"--pair {text}: write SOURCE-TARGET=TEXTS,REFERENCES, e.g. bo-zh=test.bo,test.zh")
        sides = [read_texts(path) for path in paths]
        check_lengths(list(zip(paths, sides, strict=True)))
        return cls(languages[0], languages[1], sides[0][:most], sides[1][:most])

    @property
    def name(self) -> str:
        """The direction, such as ``bo-zh``."""
        return f"{self.source}-{self.target}"


@torch.no_grad()
def favorites(hub: Any, pair: Pair) -> list[int]:
    """The most probable word at each position of each reference, given the words before it."""
    found: list[int] = []
    hub.task.build_generator(hub.models, hub.cfg.generation)  # sets the precision
    ids = [[torch.from_numpy(text) for text in hub.vocabulary.encode(side)] for side in (pair.texts, pair.references)]
    read, written = (
        hub.task.build_dataset_for_inference(side, None, source_lang=lang, target_lang=lang)
        for side, lang in zip(ids, (pair.source, pair.target), strict=True)
    )
    for i in range(len(read)):
        batch = read.collater([read[i]])["net_input"]
        scores, _ = hub.models[0](batch["src_tokens"], batch["src_lengths"], written[i]["source"][None, :-1])
        found += scores[0, 1:].argmax(-1).tolist()
    return found


def measured(options: argparse.Namespace, precision: str, pair: Pair) -> dict[str, Any]:
    """The results of one precision for one pair."""
    torch.set_num_threads(options.threads)
    model: Any = XLMSWCMModel.from_pretrained(str(options.directory), cpu_precision=precision)
    search = {"source_lang": pair.source, "target_lang": pair.target, "beam": options.beam, "max_len_b": options.words}
    search["no_repeat_ngram_size"] = options.no_repeat_ngram_size
    texts = model.generate(pair.texts, batch_size=8, **search)
    scores = {
        each.value: build_metric(each, pair.target).corpus_score(texts, [pair.references]).score for each in METRICS
    }
    return {"texts": texts, "favorites": favorites(model, pair), **scores}


def share(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The share of equal entries."""
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / max(len(ours), 1)


def rows_of(pair: Pair, found: dict[str, dict[str, Any]]) -> list[list[str]]:
    """The rows of the table for one pair, one per precision."""
    exact, rows = found[EXACT], []
    for name, each in found.items():
        scores = [f"{each[metric.value]:.2f}" for metric in METRICS]
        if name != EXACT:
            scores = [
                f"{score} ({each[metric.value] - exact[metric.value]:+.2f})"
                for score, metric in zip(scores, METRICS, strict=True)
            ]
        equal = [f"{share(each[what], exact[what]):.1%}" for what in ("favorites", "texts")]
        rows.append([pair.name, name, *equal, *scores])
    return rows


def claims(pair: Pair, found: dict[str, dict[str, Any]]) -> list[measure.Ratio]:
    """The agreement of each precision with float32 for one pair."""
    exact, ratios = found[EXACT], []
    for name, each in found.items():
        if name == EXACT:
            continue
        numbers = {
            WORDS: share(each["favorites"], exact["favorites"]),
            TEXTS: share(each["texts"], exact["texts"]),
            **{f"change in {label}": each[metric.value] - exact[metric.value] for metric, label in METRICS.items()},
        }
        ratios += [measure.Ratio(f"{label}: {name}, {pair.name}", [number]) for label, number in numbers.items()]
    return ratios


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=1)
    add = parser.add_argument
    add("directory", type=Path, metavar="DIRECTORY", help="directory of an exported model")
    add("--pair", nargs="+", required=True, metavar="PAIR", help="SOURCE-TARGET=TEXTS,REFERENCES; may be compressed")
    measure.add_numbers(
        parser,
        """
        beam                     5  beam size
        words                   40  maximum words per text
        no_repeat_ngram_size     0  N-grams of this size are not repeated; 0 allows all
        samples               1000  number of lines of each pair to read
        """,
    )
    return parser


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    pairs = [Pair.read(text, options.samples) for text in options.pair]
    found = {
        pair.name: {
            precision.value: measure.apart(measured, options, precision.value, pair) for precision in CPUPrecision
        }
        for pair in pairs
    }
    repeats = f", no repeated {options.no_repeat_ngram_size}-grams" if options.no_repeat_ngram_size else ""
    measure.Report(
        title="Precisions on a CPU: agreement with float32",
        device="cpu",
        settings=[
            ", ".join(f"{len(pair.texts)} texts {pair.name}" for pair in pairs)
            + f"; beam {options.beam}, at most {options.words} words{repeats}",
        ],
        headers=["texts", "precision", WORDS, TEXTS, *METRICS.values()],
        rows=[row for pair in pairs for row in rows_of(pair, found[pair.name])],
        ratios=[claim for pair in pairs for claim in claims(pair, found[pair.name])],
        raw={name: {precision: each["texts"] for precision, each in turns.items()} for name, turns in found.items()},
    ).write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
