"""Encode splits of corpora and write them, with their counts, to a data directory."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from swcm_fairseq.data.corpora import Split, pack_counts
from swcm_fairseq.data.directory import data_checksum
from swcm_fairseq.data.vocabulary import SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, exists
from swcm_fairseq.output_files import cannot_write

from ..steps.ledger import Ledger, RejectsFile
from ..steps.parallel import ordered_map
from ..text.reading_options import ReadingOptions
from ..text.text_files import Block, read_blocks
from .corpus_specs import Job
from .data_directory import DataBin
from .encoding import EncodedBlock, EncodedSide, Encoder
from .indexed_files import IndexedWriter, commit

PERCENTILES = (50, 90, 99, 100)  # percentiles of the lengths in corpora.json


@dataclass
class SideCounts:
    """Counts of one side of a split, over all blocks."""

    pieces: np.ndarray  # occurrences by dictionary id, int64, shape (vocabulary size,)
    tokens: int = 0
    lengths: Counter[int] = field(default_factory=Counter)  # tokens per sentence -> number of sentences

    def add(self, side: EncodedSide) -> None:
        """Add the counts of a block."""
        self.pieces[side.pieces] += side.counts
        self.tokens += int(side.sizes.sum())
        self.lengths.update(side.sizes.tolist())

    def percentiles(self) -> dict[str, int]:
        """For each of :data:`PERCENTILES`, the smallest length that this share of the sentences does not exceed."""
        lengths = sorted(self.lengths)
        ends = np.cumsum([self.lengths[length] for length in lengths])
        places = [int(np.searchsorted(ends, np.ceil(q * ends[-1] / 100))) for q in PERCENTILES]
        return {str(q): lengths[place] for q, place in zip(PERCENTILES, places, strict=True)}


@dataclass
class Result:
    """A split in the data directory."""

    job: Job
    split: Split
    made: bool = True  # False: it existed already


@dataclass
class Binarizer:
    """Binarizes jobs into one data directory.

    Args:
        vocabulary: the vocabulary to encode with.
        data_bin: the data directory, opened for writing.
        options: how lines are read, and which are left out.
        workers: number of processes that encode.
        rejects: file for the lines that are left out.
        again: whether to redo splits that already exist.
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
        """Make a split unless it already exists.

        Raises:
            InputError: a file cannot be read, no lines are left, or the disk is full; nothing half-written remains.
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
        """SHA-256 of the input files, the sentencepiece model and the options; "" if an input is a pipe."""
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
        """The split, if the directory contains all its files and they were made from the same input."""
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
                raise InputError(f"{job.inputs[0][0]}: no lines are left for {job.label} ({ledger.describe()})")
            self.data_bin.remove(job.corpus, job.split)
            commit(writers)
        return self._split(job, ledger, counts)

    def _encoded(self, job: Job) -> Iterator[EncodedBlock]:
        """Encode the blocks of all inputs of a job, in order, with a progress bar that counts input bytes."""
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
            source_checksum=data_checksum(self.data_bin.directory / job.prefixes[0]),
            lines=ledger.lines,
            left_out=dict(sorted(ledger.left_out.items())),
        )
        if len(job.prefixes) == 2:
            split.target = job.prefixes[1]
            split.target_tokens = counts[1].tokens
            split.target_unknown = int(counts[1].pieces[unknown])
            split.target_pieces = pack_counts(counts[1].pieces)
            split.target_lengths = counts[1].percentiles()
            split.target_checksum = data_checksum(self.data_bin.directory / job.prefixes[1])
        return split
