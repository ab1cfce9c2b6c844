"""The report of the demonstration: tables, five samples side by side, a web page, and a conclusion from the numbers.

    swcm quickstart-report --out runs/quickstart \\
        --text examples/quickstart/data/libreoffice --systems xlm-swcm random-decoder --curves loss.png
"""

import argparse
import base64
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.languages import language
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.output_files import write_whole
from swcm_fairseq.packed_files import read_unpacked
from swcm_fairseq.scoring.evaluation import Evaluation, System, Value, evaluate
from swcm_fairseq.scoring.generate_output import read_generation
from swcm_fairseq.scoring.page import Output, Sample, escape, html_page
from swcm_fairseq.scoring.tokenizers import build_tokenizer

if TYPE_CHECKING:
    from swcm_fairseq.scoring.tokenizers.base import Tokenizer

SAMPLES = {"bo": 3, "zh": 2}  # number of samples shown in each language
NAMES = {"xlm-swcm": "XLM-SWCM", "random-decoder": "random decoder"}
BASELINE = "first words of the section"
F1 = "rougeL F1"
HEADERS = ["", "ROUGE-L F1", "P", "R", "different titles", "in the language"]
SHOWN = 70  # maximum number of characters shown of an input


@dataclass
class TestSet:
    """Held-out sections of one language.

    Attributes:
        lang: the language code.
        articles: the texts of the sections.
        titles: the titles of the sections.
        systems: the output of each system; the baseline is last.
        evaluation: the scores of all systems.
    """

    lang: str
    articles: list[str]
    titles: list[str]
    systems: list[System]
    evaluation: Evaluation


def read_lines(text: Path, lang: str, split: str, side: str) -> list[str]:
    """One side of the title files, compressed or not; raises :class:`InputError` if it is missing."""
    plain = text / f"title.{lang}.{split}.{side}"
    content = read_unpacked(plain if plain.exists() else plain.with_name(plain.name + ".xz"))
    return content.decode("utf-8").removesuffix("\n").split("\n")


def hypotheses(path: Path, count: int) -> list[str]:
    """The detokenized outputs of a fairseq-generate file, in the order of the input.

    Raises:
        InputError: the file does not contain ``count`` outputs.
    """
    segments = read_generation(path)
    if [segment.id for segment in segments] != list(range(count)):
        raise InputError(f"{path}: outputs are missing; delete the record of this step in done/ and run again")
    return [segment.hypothesis or "" for segment in segments]


def first_words(article: str, tokenizer: "Tokenizer", count: int) -> str:
    """The longest beginning of the text with at most ``count`` tokens."""
    for end in range(1, len(article)):
        if len(tokenizer.tokenize(article[:end])) > count:
            return article[: end - 1]
    return article


def read_test_set(out: Path, text: Path, lang: str, names: Sequence[str]) -> TestSet:
    """The scored test set of one language; the baseline has as many tokens as the median training title."""
    tokenizer = build_tokenizer(lang)
    articles, titles = (read_lines(text, lang, "test", side) for side in ("article", "title"))
    count = int(statistics.median(len(tokenizer.tokenize(line)) for line in read_lines(text, lang, "train", "title")))
    systems = [
        System(NAMES.get(name, name), hypotheses(out / f"{name}-titles" / lang / "generate-test.txt", len(titles)))
        for name in names
    ]
    systems.append(System(BASELINE, [first_words(article, tokenizer, count) for article in articles]))
    return TestSet(lang, articles, titles, systems, evaluate(systems, [titles], lang, tokenizer, trials=1000))


def with_interval(value: Value) -> str:
    """``31.5 ± 3.3``, where the second number is half of the 95% interval."""
    return f"{value.score:.1f} ± {value.interval or 0:.1f}"


def score_rows(test: TestSet) -> list[list[str]]:
    """The rows of the table of scores."""
    rows = []
    for system, scores in zip(test.systems, test.evaluation.systems, strict=True):
        values = scores.values
        language = f"{values['language'].score:.0f}%" if "language" in values else "-"
        parts = [f"{values[f'rougeL {part}'].score:.1f}" for part in ("P", "R")]
        different = f"{len(set(system.hypotheses))} of {len(system.hypotheses)}"
        rows.append([system.name, with_interval(values[F1]), *parts, different, language])
    return rows


def outcome(ours: Value, theirs: Value) -> str:
    """How two scores compare: they differ only if their 95% intervals do not overlap."""
    gap = (ours.interval or 0) + (theirs.interval or 0)
    if abs(ours.score - theirs.score) <= gap:
        return "titles that do not differ clearly from"
    return "better titles than" if ours.score > theirs.score else "worse titles than"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def verdict(tests: Sequence[TestSet]) -> str:
    """The conclusion from the numbers: how the model compares with each other system, by language."""
    findings: dict[tuple[str, str], list[str]] = {}
    for test in tests:
        ours, *rivals = test.evaluation.systems
        for rival in rivals:
            found = outcome(ours.values[F1], rival.values[F1]), f"the {rival.name}"
            findings.setdefault(found, []).append(language(test.lang).name)
    parts = [f"{found} {rival} in {listed(langs)}" for (found, rival), langs in findings.items()]
    return f"Started from the encoder's own layers, the model writes {listed(parts)}."


def samples(tests: Sequence[TestSet]) -> list[Sample]:
    """Sections spread over the test sets, with the output of every system."""
    chosen = []
    for test in tests:
        step = max(1, len(test.titles) // SAMPLES[test.lang])
        for i in range(0, len(test.titles), step)[: SAMPLES[test.lang]]:
            outputs = [Output(system.name, system.hypotheses[i]) for system in test.systems]
            chosen.append(Sample(i, test.articles[i], [test.titles[i]], outputs))
    return chosen


def as_text(tests: Sequence[TestSet]) -> str:
    """Tables and samples for the terminal."""
    blocks = []
    for test in tests:
        title = (
            f"{len(test.titles)} titles in {language(test.lang).name}; scores in percent, ± half of the 95% interval"
        )
        table = tabulate(score_rows(test), HEADERS, disable_numparse=True)
        blocks.append(f"{title}\n{table}\n{test.evaluation.signatures['rougeL']}")
    for sample in samples(tests):
        source = sample.source or ""
        lines = [("section", source[:SHOWN] + "…" * (len(source) > SHOWN)), ("its title", sample.references[0])]
        lines += [(output.system, output.hypothesis) for output in sample.outputs]
        blocks.append("\n".join(f"{name:<{len(BASELINE)}}  {line}" for name, line in lines))
    return "\n\n".join(blocks)


def as_page(tests: Sequence[TestSet], curves: Path | None) -> str:
    """The same content as a web page, with the loss curves."""
    parts = [f"<p><strong>{escape(verdict(tests))}</strong></p>"]
    for test in tests:
        table = tabulate(score_rows(test), HEADERS, tablefmt="html", disable_numparse=True)
        heading = f"<h2>{len(test.titles)} titles in {language(test.lang).name}</h2>"
        signature = escape(test.evaluation.signatures["rougeL"])
        parts.append(f"{heading}\n{table}\n<p>Percent, ± half of the 95% interval; <code>{signature}</code></p>")
    if curves is not None:
        picture = base64.b64encode(curves.read_bytes()).decode()
        parts.append(f'<h2>Losses</h2>\n<img alt="loss curves" src="data:image/png;base64,{picture}">')
    parts.append("<h2>Samples</h2>")
    return html_page(samples(tests), "A model that writes titles", "\n".join(parts))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("quickstart-report", __doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory of the run")
    parser.add_argument("--text", type=Path, required=True, metavar="DIR", help="directory of the title files")
    parser.add_argument(
        "--systems", nargs="+", required=True, metavar="NAME", help="systems; the first is compared with the others"
    )
    parser.add_argument("--curves", type=Path, metavar="PNG", help="plot of the losses, for the page")
    return parser


def main() -> None:
    """Print tables, samples and the conclusion; write ``scores.json`` and ``report.html``."""
    args = build_parser().parse_args()
    tests = [read_test_set(args.out, args.text, lang, args.systems) for lang in SAMPLES]
    print(f"\n{as_text(tests)}\n\n{verdict(tests)}")
    numbers = {test.lang: asdict(test.evaluation) for test in tests}
    write_whole(args.out / "scores.json", (json.dumps(numbers, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    page = args.out / "report.html"
    write_whole(page, as_page(tests, args.curves).encode("utf-8"))
    print(f"\nThe same report as a web page: {page}")


if __name__ == "__main__":
    run_command(main)
