"""Sample lines of several languages in balanced shares to train a vocabulary on."""

import random
from collections import Counter
from collections.abc import Iterator

from tqdm import tqdm

from swcm_fairseq.errors import InputError

from ..steps.parallel import ordered_map
from ..text.text_files import cut, open_lines
from .coverage import LanguageFile

MAX_CHARS = 4_000  # maximum length of a training line


def lines_with_text(file: LanguageFile) -> int:
    """Number of nonblank lines of a file; for worker processes."""
    return sum(1 for line in open_lines(file.path) if line.strip())


def count_lines(files: list[LanguageFile], workers: int) -> Counter[str | None]:
    """Number of nonblank lines per language (None: files without a language), counted with one process per file."""
    counts: Counter[str | None] = Counter()
    found_in = ordered_map(lines_with_text, files, min(workers, len(files)))
    bar = tqdm(found_in, desc="counting lines", unit="file", total=len(files), leave=False, disable=None)
    for file, found in zip(files, bar, strict=True):
        if not found:
            raise InputError(f"{file.path}: all lines are blank; give a file with text")
        counts[file.lang] += found
    return counts


def rates(counts: Counter[str | None], alpha: float, limit: int) -> dict[str | None, float]:
    """How often each line of a language is taken, on average.

    The share of a language is p_i = q_i^alpha / sum_j q_j^alpha, where q_i is its share of the lines (XLM-R, arXiv
    1911.02116, section 3.1); lines of small languages are repeated. In total, min(limit, all lines) lines are taken.
    """
    weights = {lang: count**alpha for lang, count in counts.items()}
    total = min(limit, counts.total())
    return {lang: total * weights[lang] / sum(weights.values()) / counts[lang] for lang in counts}


def sample_lines(files: list[LanguageFile], rate: dict[str | None, float], seed: int) -> Iterator[str]:
    """Yield each line as often as its language's rate: the integer part, plus once with the fraction as probability.

    Long lines are cut into parts, and their number is printed, because sentencepiece's time and memory grow with the
    square of the length of a repetitive line.
    """
    long = 0
    for number, file in enumerate(tqdm(files, desc="reading", unit="file", leave=False, disable=None)):
        chance = random.Random(f"{seed} {number}")
        whole, fraction = divmod(rate[file.lang], 1)
        for line in open_lines(file.path):
            if line.strip():
                times = int(whole) + (chance.random() < fraction)
                long += len(line) > MAX_CHARS
                for part in cut(line.strip(), MAX_CHARS) if len(line) > MAX_CHARS else [line]:
                    yield from [part] * times
    if long:
        print(f"note: {long:,} lines longer than {MAX_CHARS:,} characters were cut into parts")
