"""The end of the quickstart: ROUGE-L per language and five samples.

    python -m swcm_fairseq.reporting.quickstart_report --out runs/quickstart \
        --text examples/quickstart/data/libreoffice --systems xlm-swcm random-decoder
"""

import argparse
import json
import lzma
import statistics
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.output_files import write_whole
from swcm_fairseq.scoring.generate_output import read_generation
from swcm_fairseq.scoring.rouge import Rouge, RougeScore, RougeType
from swcm_fairseq.scoring.tokenizers import Tokenizer, build_tokenizer

LANGS = {"bo": "Tibetan", "zh": "Chinese"}
SAMPLES = {"bo": 3, "zh": 2}  # shown at the end
BASELINE = "first words of the text"
SHOWN = 70  # characters of an input


@dataclass
class TestSet:
    """Held-out sections of one language: texts, their titles, and what each system wrote."""

    lang: str
    articles: list[str]
    titles: list[str]
    outputs: dict[str, list[str]]


def lines(text: Path, lang: str, split: str, side: str) -> list[str]:
    """One side of the title files, compressed or not."""
    plain = text / f"title.{lang}.{split}.{side}"
    if plain.exists():
        content = plain.read_bytes()
    else:
        content = lzma.decompress(plain.with_name(plain.name + ".xz").read_bytes())
    return content.decode("utf-8").removesuffix("\n").split("\n")


def generated(path: Path) -> list[str]:
    """The detokenized hypotheses of a fairseq-generate output file, in input order."""
    segments = read_generation(path)
    if [segment.id for segment in segments] != list(range(len(segments))):
        raise InputError(f"{path}: hypotheses are missing; delete the step's mark in done/ and run again")
    return [segment.hypothesis or "" for segment in segments]


def first_words(article: str, tokenizer: Tokenizer, count: int) -> str:
    """The shortest beginning of the text with ``count`` words of its language."""
    for end in range(1, len(article)):
        if len(tokenizer.tokenize(article[:end])) > count:
            return article[: end - 1]
    return article


def read(out: Path, text: Path, lang: str, systems: list[str]) -> TestSet:
    """All of one language; the baseline takes as many words as a training title has (median)."""
    tokenizer = build_tokenizer(lang)
    articles = lines(text, lang, "test", "article")
    count = int(statistics.median(len(tokenizer.tokenize(title)) for title in lines(text, lang, "train", "title")))
    outputs = {BASELINE: [first_words(article, tokenizer, count) for article in articles]}
    for system in systems:
        outputs[system] = generated(out / f"{system}-titles" / lang / "generate-test.txt")
    return TestSet(lang, articles, lines(text, lang, "test", "title"), outputs)


def scores(test: TestSet) -> tuple[dict[str, RougeScore], str]:
    """ROUGE-L of every system, and the signature of these numbers."""
    rouge = Rouge(RougeType.ROUGE_L, test.lang, build_tokenizer(test.lang))
    result = {
        name: rouge.corpus_score(output, [test.titles], n_bootstrap=1000) for name, output in test.outputs.items()
    }
    return result, str(rouge.get_signature())


def print_scores(tests: list[TestSet]) -> None:
    """The small table."""
    for test in tests:
        table, signature = scores(test)
        print(f"\nROUGE-L of {len(test.titles)} titles in {LANGS[test.lang]}, in percent (± half of the 95% interval)")
        print(f"  {'':26}{'F1':>14}{'P':>8}{'R':>8}")
        for name, score in table.items():
            f1 = f"{score.score:.1f} ± {score.intervals['score']:.1f}"
            print(f"  {name:26}{f1:>14}{score.precision:8.1f}{score.recall:8.1f}")
        print(f"  {signature}")


def print_samples(tests: list[TestSet], system: str) -> None:
    """Five sections spread over the test sets."""
    print("\nFive of the held-out sections")
    for test in tests:
        step = max(1, len(test.titles) // SAMPLES[test.lang])
        for i in range(0, len(test.titles), step)[: SAMPLES[test.lang]]:
            article = test.articles[i]
            print(f"\n  input      {article[:SHOWN]}{'…' if len(article) > SHOWN else ''}")
            print(f"  reference  {test.titles[i]}")
            print(f"  output     {test.outputs[system][i]}")


def main() -> None:
    """Print the tables and samples; the numbers also go to scores.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument("--text", type=Path, required=True, help="directory of the title files")
    parser.add_argument("--systems", nargs="+", required=True, help="names of the systems; samples are of the first")
    args = parser.parse_args()
    tests = [read(args.out, args.text, lang, args.systems) for lang in LANGS]
    print_scores(tests)
    print_samples(tests, args.systems[0])
    numbers = {test.lang: {name: vars(score) for name, score in scores(test)[0].items()} for test in tests}
    write_whole(args.out / "scores.json", (json.dumps(numbers, indent=1, default=float) + "\n").encode("utf-8"))


if __name__ == "__main__":
    run_command(main)
