"""Parse, read and encode parallel text for word alignment."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sentencepiece
from tqdm import tqdm

from swcm_fairseq.errors import InputError, exists

from ..databin.corpus_specs import parse_sides
from ..text.text_files import decoded, read_blocks

FORM = "LANG-LANG=FILE,FILE"
MAX_PAIRS = 100_000
MAX_LINE_BYTES = 1 << 22
MAX_PIECES = 100  # maximum length of a sentence; longer ones say little about single words

USED, BLANK, LONG, SURPLUS = "used", "blank on one side", "too long", "beyond the sample"


@dataclass(frozen=True)
class BitextFiles:
    """Two files that are line-by-line translations: one in a known language, one in a new language."""

    spec: str
    known: Path
    new: Path


@dataclass
class Bitext:
    """A sample of the lines of :class:`BitextFiles`, and the number of lines by outcome (:data:`USED` and so on)."""

    files: BitextFiles
    known: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    lines: Counter = field(default_factory=Counter)

    def use_only(self, pairs: int) -> None:
        """Record that only ``pairs`` of the sampled pairs were used."""
        self.lines[SURPLUS] += self.lines[USED] - pairs
        self.lines[USED] = pairs


@dataclass
class EncodedBitext:
    """Sentences of both languages as arrays of piece ids."""

    known: list[np.ndarray]
    new: list[np.ndarray]


def parse_bitext(spec: str, new_langs: list[str]) -> BitextFiles:
    """Parse ``zh-bo=train.zh,train.bo``, where one of the languages is in ``new_langs``.

    Raises:
        InputError: the text has another form, a file is missing, or not exactly one of the languages is new.
    """
    pair, _, files = spec.partition("=")
    langs, paths = parse_sides(f"--align {spec}", FORM, pair, files)
    new = [lang in new_langs for lang in langs]
    if not any(new):
        raise InputError(f"--align {spec}: neither language is new; name the new one's text: --input {langs[1]}=FILE")
    if all(new):
        raise InputError(f"--align {spec}: both languages are new; the encoder must already know one of them")
    for path in paths:
        if not exists(path):
            raise InputError(f"--align {spec}: {path}: no such file")
    side = new.index(True)
    return BitextFiles(spec, paths[1 - side], paths[side])


def read_bitext(files: BitextFiles, seed: int) -> Bitext:
    """Read both files to the end and keep a uniform sample of at most :data:`MAX_PAIRS` pairs.

    Raises:
        InputError: a file cannot be read or is empty, or the files have different numbers of lines.
    """
    bitext = Bitext(files)
    chance, seen = random.Random(f"{seed} {files.spec}"), 0
    for known, new in tqdm(_pairs(files), desc=files.spec, unit=" lines", leave=False, disable=None):
        if not (known.strip() and new.strip()):
            bitext.lines[BLANK] += 1
            continue
        seen += 1
        place = len(bitext.new) if seen <= MAX_PAIRS else chance.randrange(seen)  # reservoir sampling
        if place == len(bitext.new) < MAX_PAIRS:
            bitext.known.append(known)
            bitext.new.append(new)
        elif place < MAX_PAIRS:
            bitext.known[place], bitext.new[place] = known, new
    if not bitext.new:
        raise InputError(f"--align {files.spec}: no line has text in both files; give line-aligned files")
    bitext.lines[SURPLUS] = seen - len(bitext.new)
    return bitext


def _pairs(files: BitextFiles) -> Iterator[tuple[str, str]]:
    for block in read_blocks((files.known, files.new), MAX_LINE_BYTES):
        for number, raw in enumerate(zip(*block.sides, strict=True), start=block.first_line):
            known, new = (
                decoded(line, path, number, MAX_LINE_BYTES) for line, path in zip(raw, block.paths, strict=True)
            )
            yield known, new


def encode_bitext(bitext: Bitext, processor: sentencepiece.SentencePieceProcessor) -> EncodedBitext:
    """Sentences as sentencepiece ids without unknown pieces; pairs of more than :data:`MAX_PIECES` are left out."""
    unknown = processor.unk_id()
    encoded = EncodedBitext([], [])
    sides = (processor.encode(lines, num_threads=1) for lines in (bitext.known, bitext.new))
    for known, new in zip(*sides, strict=True):
        if max(len(known), len(new)) > MAX_PIECES:
            bitext.lines[LONG] += 1
            continue
        known, new = (np.array([i for i in side if i != unknown], dtype=np.int32) for side in (known, new))
        encoded.known.append(known)
        encoded.new.append(new)
    bitext.lines[USED] = len(encoded.new)
    if not encoded.new:
        raise InputError(
            f"--align {bitext.files.spec}: no line has {MAX_PIECES} pieces or fewer; split the lines into sentences"
        )
    return encoded
