"""Split text into sentences, and pack sentences into parts of limited length."""

from collections.abc import Iterator
from pathlib import Path

import regex
from tqdm import tqdm

from swcm_fairseq.data.languages import CLOSERS, WordUnit, language
from swcm_fairseq.output_files import LineFiles

from ..steps.ledger import Ledger, Reason, Reject, RejectsFile
from ..steps.parallel import ordered_map
from .reading_options import ReadingOptions
from .text_files import Block, cut, read_blocks

_INITIAL_CHARS = 3  # a non-letter, an initial, its full stop


class SentenceSplitter:
    """Finds the sentences of one language by the sentence ends listed in the language table.

    A run of end marks and closing quotes ends one sentence ("!”", "། །"). In languages with spaces between words, a
    space must follow, and a full stop after a single letter (an initial) or before a lower-case letter (an
    abbreviation) does not end a sentence. An end mark at the start of the text belongs to the first sentence.
    """

    def __init__(self, lang: str):
        row = language(lang)
        ends, closers = regex.escape(row.sentence_ends), regex.escape(CLOSERS)
        run = rf"[{ends}](?:\s*[{ends}]|[{closers}])*"
        self._end = regex.compile(run)
        self._spaced = row.word_unit is WordUnit.SPACE
        # An initial: a letter that no letter, mark or digit precedes. Several may follow each other: "А. Б."
        self._following = regex.compile(r"\s*(.?)", regex.DOTALL)
        self._initial = regex.compile(r"(?<![\p{L}\p{M}\p{N}])\p{L}\.$")

    def split(self, text: str) -> list[str]:
        """The sentences of ``text`` without the spaces between them; [] for blank text."""
        sentences, start, seen = [], 0, 0
        begun = False  # whether text[start:seen] has more than spaces
        for end in self._end.finditer(text):
            begun = begun or not (seen == end.start() or text[seen : end.start()].isspace())
            if begun and self._ends(text, start, end.end()):
                sentences.append(text[start : end.end()].strip())
                start, begun = end.end(), False
            else:
                begun = True
            seen = end.end()
        rest = text[start:].strip()
        return [*sentences, rest] if rest else sentences

    def _ends(self, text: str, start: int, end: int) -> bool:
        if not self._spaced or end == len(text):
            return True
        if not text[end].isspace():
            return False
        if text[end - 1] != ".":
            return True
        following = self._following.match(text, end)[1]
        return not (following.islower() or self._initial.search(text[max(start, end - _INITIAL_CHARS) : end]))


def pack(sentences: list[str], max_chars: int) -> Iterator[str]:
    """Join consecutive sentences with spaces up to ``max_chars``; cut longer sentences into pieces."""
    part = ""
    for sentence in sentences:
        if part and len(part) + 1 + len(sentence) > max_chars:
            yield part
            part = ""
        if part:
            part = f"{part} {sentence}"
        else:
            *pieces, part = cut(sentence, max_chars)
            yield from pieces
    if part:
        yield part


class BlockSplitter:
    """Splits blocks of documents; sent to each worker process.

    Args:
        lang: language of the text.
        options: how lines are read.
        max_chars: maximum length of a part; None for one sentence per line.
    """

    def __init__(self, lang: str, options: ReadingOptions, max_chars: int | None):
        self._splitter = SentenceSplitter(lang)
        self._options = options
        self._max_chars = max_chars

    def __call__(self, block: Block) -> tuple[int, list[str], list[Reject], int]:
        """Number of lines read, parts, rejects, and bytes read so far."""
        parts: list[str] = []
        rejects = []
        for number, raw in enumerate(block.sides[0], start=block.first_line):
            text = self._options.read(raw, block.paths[0], number)
            sentences = [] if isinstance(text, Reason) else self._splitter.split(text)
            if not sentences:
                reason = text if isinstance(text, Reason) else Reason.BLANK
                rejects.append(Reject(str(block.paths[0]), number, reason))
            parts += sentences if self._max_chars is None else pack(sentences, self._max_chars)
        return len(block.sides[0]), parts, rejects, block.position


def split_file(
    path: Path, work: BlockSplitter, max_bytes: int, output: LineFiles, rejects: RejectsFile, workers: int
) -> tuple[Ledger, int]:
    """Split a file; return the counts of its lines and the number of parts written."""
    ledger, written = Ledger(), 0
    total = path.stat().st_size if path.is_file() else None
    with tqdm(total=total, unit="B", unit_scale=True, desc="sentences", leave=False, disable=None) as bar:
        for lines, parts, left_out, position in ordered_map(work, read_blocks((path,), max_bytes), workers):
            ledger.add(lines, lines - len(left_out), left_out)
            rejects.write(left_out)
            for part in parts:
                output.write((part,))
            written += len(parts)
            bar.update(position - bar.n)
    ledger.close()
    return ledger, written
