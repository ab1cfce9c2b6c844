"""Encode text with a vocabulary and write fairseq's ``.bin/.idx`` files and ``corpora.json``.

One pass from text to ids, the bytes of ``spm_encode | fairseq-preprocess``. Runs into the same directory add
corpora, or replace those of the same name and split; the others stay. Splits that are there already, from the same
files with the same options, are not made again.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from swcm_fairseq.data.corpora import CORPORA_FILE, Split, pack_counts
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import cannot_write, check_distinct

from .databin.corpus_specs import (
    MONO_FORM,
    PAIR_FORM,
    PLAIN_FORM,
    Job,
    gather,
    parse_mono,
    parse_pair,
    parse_plain,
)
from .databin.data_directory import DataBin
from .databin.encoding import EncodedBlock, EncodedSide, Encoder
from .databin.indexed_files import IndexedWriter, commit
from .steps.ledger import Ledger, RejectsFile
from .steps.parallel import ordered_map
from .steps.terminal import percent, print_next, print_table
from .text.reading_options import ReadingOptions, add_reading_options
from .text.text_files import Block, read_blocks

PERCENTILES = (50, 90, 99, 100)  # of the lengths, in corpora.json


@dataclass
class SideCounts:
    """Counts of one side of a split, over all blocks."""

    pieces: np.ndarray  # occurrences by dictionary id, int64, shape (vocabulary size,)
    tokens: int = 0
    lengths: Counter[int] = field(default_factory=Counter)  # tokens of a sentence -> sentences

    def add(self, side: EncodedSide) -> None:
        """Count a block."""
        self.pieces[side.pieces] += side.counts
        self.tokens += int(side.sizes.sum())
        self.lengths.update(side.sizes.tolist())

    def percentiles(self) -> dict[str, int]:
        """Least length that the given share of sentences does not exceed."""
        lengths = sorted(self.lengths)
        ends = np.cumsum([self.lengths[length] for length in lengths])
        places = [int(np.searchsorted(ends, np.ceil(q * ends[-1] / 100))) for q in PERCENTILES]
        return {str(q): lengths[place] for q, place in zip(PERCENTILES, places, strict=True)}


@dataclass
class Result:
    """A split that is in the data directory now."""

    job: Job
    split: Split
    made: bool = True  # False: was there already


@dataclass
class Binarizer:
    """Binarizes jobs into one data directory.

    Args:
        vocabulary: encodes the text.
        data_bin: opened for writing.
        options: how lines are read and which are left out.
        workers: processes that encode.
        rejects: where lines left out are written.
    """

    vocabulary: Vocabulary
    data_bin: DataBin
    options: ReadingOptions
    workers: int
    rejects: RejectsFile
    again: bool = False
    encoder: Encoder = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = Encoder(self.vocabulary, self.options)

    def run(self, job: Job) -> Result:
        """Make one split, or find that it is there already.

        Raises:
            InputError: a file cannot be read, no line is left, or the disk is full; nothing half-written remains.
        """
        fingerprint = self._fingerprint(job)
        there = self._finished(job, fingerprint)
        if there is not None and not self.again:
            return Result(job, there, made=False)
        try:
            split = self._write(job)
            split.fingerprint = fingerprint
            self.data_bin.put(job.corpus, job.split, split)
        except OSError as error:
            raise cannot_write(error.filename or self.data_bin.directory, error) from error
        return Result(job, split)

    def _fingerprint(self, job: Job) -> str:
        """SHA-256 over the input files, the sentencepiece model and the options; "" if an input is a pipe."""
        whole = hashlib.sha256(json.dumps(vars(self.options), sort_keys=True).encode())
        for path in [self.vocabulary.directory / SENTENCEPIECE_FILE, *(p for part in job.inputs for p in part)]:
            if exists(path) and not path.is_file():
                return ""
            try:
                with open(path, "rb") as file:
                    whole.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}") from error
        return whole.hexdigest()

    def _finished(self, job: Job, fingerprint: str) -> Split | None:
        """The split, if the directory has it complete and made from the same input."""
        corpus = self.data_bin.find(job.corpus)
        split = corpus.splits.get(job.split) if corpus else None
        if split is None or not fingerprint or split.fingerprint != fingerprint:
            return None
        files = [self.data_bin.directory / f"{prefix}.{ext}" for prefix in job.prefixes for ext in ("bin", "idx")]
        return split if all(file.is_file() for file in files) else None

    def _write(self, job: Job) -> Split:
        size = len(self.vocabulary.dictionary)
        ledger = Ledger()
        counts = [SideCounts(np.zeros(size, dtype=np.int64)) for _ in job.prefixes]
        with ExitStack() as stack:
            writers = []
            for prefix in job.prefixes:
                writers.append(IndexedWriter(self.data_bin.directory / prefix, size))
                stack.callback(writers[-1].abort)
            for block in self._encoded(job):
                ledger.add(block.lines, block.kept, block.rejects)
                self.rejects.write(block.rejects)
                for writer, count, side in zip(writers, counts, block.sides, strict=True):
                    writer.add(side.data, side.sizes)
                    count.add(side)
            ledger.close()
            if not ledger.kept:
                raise InputError(f"{job.inputs[0][0]}: no line is left for {job.label} ({ledger.describe()})")
            self.data_bin.remove(job.corpus, job.split)
            commit(writers)
        return self._split(job, ledger, counts)

    def _encoded(self, job: Job) -> Iterator[EncodedBlock]:
        """The blocks of all inputs of a job, encoded, in order, under a progress bar in bytes of input."""
        sizes = [path.stat().st_size for part in job.inputs for path in part if path.is_file()]
        with tqdm(
            total=sum(sizes) or None, unit="B", unit_scale=True, desc=job.label, leave=False, disable=None
        ) as bar:
            before = 0
            for part in job.inputs:
                blocks: Iterator[Block] = read_blocks(part, self.options.max_bytes)
                for block in ordered_map(self.encoder, blocks, self.workers):
                    yield block
                    bar.update(before + block.position - bar.n)
                before = bar.n

    def _split(self, job: Job, ledger: Ledger, counts: list[SideCounts]) -> Split:
        unknown = self.vocabulary.dictionary.unk()
        split = Split(
            source=job.prefixes[0],
            samples=ledger.kept,
            source_tokens=counts[0].tokens,
            source_unknown=int(counts[0].pieces[unknown]),
            source_pieces=pack_counts(counts[0].pieces),
            source_lengths=counts[0].percentiles(),
            lines=ledger.lines,
            left_out=dict(sorted(ledger.left_out.items())),
        )
        if len(job.prefixes) == 2:
            split.target = job.prefixes[1]
            split.target_tokens = counts[1].tokens
            split.target_unknown = int(counts[1].pieces[unknown])
            split.target_pieces = pack_counts(counts[1].pieces)
            split.target_lengths = counts[1].percentiles()
        return split


def print_results(results: list[Result]) -> None:
    """One row a side of each split."""
    rows: list[list[object]] = []
    for result in results:
        split = result.split
        left_out = ", ".join(f"{reason} {count:,}" for reason, count in split.left_out.items()) or "-"
        sides = [(split.source, split.source_tokens, split.source_unknown)]
        if split.target is not None:
            sides.append((split.target, split.target_tokens, split.target_unknown))
        for path, tokens, unknown in sides:
            note = "new" if result.made else "was there"
            rows.append(
                [path, split.lines, split.samples, left_out, tokens, percent(unknown, tokens - split.samples), note]
            )
    print_table(["file", "lines", "kept", "left out", "tokens", "unknown", ""], rows)


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.binarize``."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.binarize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  python -m preprocess.binarize --vocab vocab --output data-bin \\
      --mono bo:train=bo.txt.gz --mono bo:valid=bo.valid.txt --mono zh:train=zh.txt \\
      --pair zh-bo:train=train.zh,train.bo --pair bo-bo:ti_sum:train=articles.txt,titles.txt
  python -m preprocess.binarize --vocab vocab --output encoder-bin --plain train=bo.txt --plain train=zh.txt
""",
    )
    parser.add_argument("--vocab", required=True, metavar="DIR", help="vocabulary written by preprocess.vocab")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="data directory; made if missing, added to if not"
    )
    texts = parser.add_argument_group(
        "text (one sentence or document a line; plain, gz, xz, bz2, zst or zip; an option that is given again with "
        "the same corpus and split appends its files)"
    )
    texts.add_argument("--mono", nargs="+", action="extend", default=[], metavar=MONO_FORM, help="text of one language")
    texts.add_argument(
        "--pair",
        nargs="+",
        action="extend",
        default=[],
        metavar=PAIR_FORM,
        help="pairs line by line; NAME defaults to SRC-TGT, and is needed where both languages are the same",
    )
    texts.add_argument(
        "--plain",
        nargs="+",
        action="extend",
        default=[],
        metavar=PLAIN_FORM,
        help="text without a language, for fairseq's own tasks such as masked_lm; not listed in corpora.json",
    )
    add_reading_options(parser)
    parser.add_argument("--again", action="store_true", help="also make the splits again that are there already")
    return parser


def parse_jobs(args: argparse.Namespace) -> list[Job]:
    """The splits named on the command line."""
    jobs = [
        *map(parse_mono, args.mono),
        *map(parse_pair, args.pair),
        *map(parse_plain, args.plain),
    ]
    if not jobs:
        raise InputError("--mono, --pair or --plain is needed: there is nothing to binarize; see --help")
    for job in jobs:
        for path in job.inputs[0]:
            if not exists(path):
                raise InputError(f"{path}: no such file (for {job.label})")
    return gather(jobs)


def check_files(args: argparse.Namespace, jobs: list[Job]) -> None:
    """Raise :class:`InputError` if something that is read would be written over."""
    vocabulary = (DICT_FILE, SENTENCEPIECE_FILE)
    names = [f"{prefix}.{ext}" for job in jobs for prefix in job.prefixes for ext in ("bin", "idx")]
    written = [Path(args.output, name) for name in (*names, *vocabulary, CORPORA_FILE)]
    check_distinct([path for job in jobs for part in job.inputs for path in part], [*written, args.rejects])
    check_distinct([args.vocab, *(Path(args.vocab, name) for name in vocabulary)], [args.rejects])


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = make_parser().parse_args(argv)
    jobs = parse_jobs(args)
    options = ReadingOptions.of(args)
    check_files(args, jobs)
    vocabulary = Vocabulary(args.vocab)
    with DataBin(args.output, vocabulary) as data_bin, RejectsFile(args.rejects) as rejects:
        for job in jobs:
            data_bin.check_fits(job.corpus)
        again = args.again or args.rejects is not None  # a list of rejects is complete or useless
        binarizer = Binarizer(vocabulary, data_bin, options, args.workers, rejects, again)
        results = [binarizer.run(job) for job in jobs]
        rejects.commit()
        print_results(results)
    print_next(f"fairseq-train {args.output} --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt ...")


if __name__ == "__main__":
    run_command(main)
