"""The input files of both commands: references and systems, as plain text or as output of fairseq-generate."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import check_distinct
from swcm_fairseq.scoring.evaluation import System
from swcm_fairseq.scoring.generate_output import Segment, missing_ids, read_generation, references_of
from swcm_fairseq.scoring.segment_files import check_lengths, read_lines, read_texts


@dataclass
class Inputs:
    """Aligned texts: entry n of every list belongs to the same segment.

    Attributes:
        ids: position of each segment in the input of the systems, from 0.
        sources: input texts, ``None`` if unknown.
        references: one list of texts per reference; empty if there are none.
        systems: the outputs.
        model_scores: for each system, the model's own scores, or ``None`` if its file has none.
    """

    ids: list[int]
    sources: list[str] | None
    references: list[list[str]]
    systems: list[System]
    model_scores: list[list[float] | None]


def add_input_options(parser: ArgumentParser) -> None:
    """Add the options that :func:`read_inputs` reads."""
    parser.add_argument("--ref", type=Path, nargs="+", default=[], metavar="FILE",
                        help="references, one per line; further files are alternative references "
                        "(default with --generated: the references in these files)")  # fmt: skip
    systems = parser.add_mutually_exclusive_group(required=True)
    systems.add_argument("--hyp", type=Path, nargs="+", metavar="FILE",
                         help="hypotheses, one per line; one file per system, the baseline first")  # fmt: skip
    systems.add_argument("--generated", type=Path, nargs="+", metavar="FILE",
                         help="output files of fairseq-generate (generate-test.txt), instead of --hyp")  # fmt: skip


def check_output(args: Namespace, source: Path | None = None) -> None:
    """Raise :class:`InputError` if ``--output`` is an input file, a device or a pipe."""
    read = [*args.ref, *(args.hyp or ()), *(args.generated or ()), source, args.sentencepiece_model]
    check_distinct(read, [args.output])


def system_names(paths: Sequence[Path]) -> list[str]:
    """File names, or whole paths if two files have the same name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def read_inputs(args: Namespace, source: Path | None = None) -> Inputs:
    """Read the files given by :func:`add_input_options`, and ``source`` if it is given.

    Raises:
        InputError: a file cannot be read, or two files have different numbers of lines.
    """
    if args.generated:
        return _from_generations(args.generated, args.ref, source)
    texts = [read_lines(path) for path in args.hyp]
    plain = [*args.ref, *([source] if source else [])]
    plain_texts = [read_texts(path) for path in plain]
    check_lengths(list(zip((*plain, *args.hyp), (*plain_texts, *texts), strict=True)))
    systems = [System(name, lines) for name, lines in zip(system_names(args.hyp), texts, strict=True)]
    references = plain_texts[: len(args.ref)]
    sources = plain_texts[-1] if source else None
    return Inputs(list(range(len(texts[0]))), sources, references, systems, [None] * len(systems))


def _from_generations(paths: Sequence[Path], ref: Sequence[Path], source: Path | None) -> Inputs:
    """Read the outputs of several runs of fairseq-generate on the same data."""
    runs = [read_generation(path) for path in paths]
    ids = [segment.id for segment in runs[0]]
    for path, run in zip(paths, runs, strict=True):
        if [segment.id for segment in run] != ids:
            raise InputError(
                f"{path} and {paths[0]} contain different segments ({len(run)} and {len(ids)}); generate both from the "
                "same data with the same limits"
            )
    _tell_missing(runs[0], paths[0])
    references = _select(ref, ids) if ref else _own_references(runs, paths)
    own_sources = [segment.source for segment in runs[0] if segment.source is not None]
    sources = _select([source], ids)[0] if source else own_sources
    systems = [
        System(name, [segment.hypothesis or "" for segment in run])
        for name, run in zip(system_names(paths), runs, strict=True)
    ]
    scores = [[segment.score or 0.0 for segment in run] for run in runs]
    return Inputs(ids, sources if len(sources) == len(ids) else None, references, systems, list(scores))


def _own_references(runs: Sequence[list[Segment]], paths: Sequence[Path]) -> list[list[str]]:
    """The references inside the files, which must agree."""
    first = references_of(runs[0], paths[0])
    for path, run in zip(paths[1:], runs[1:], strict=True):
        for number, expected, found in zip((s.id for s in run), first, references_of(run, path), strict=True):
            if expected != found:
                raise InputError(f"{path}: the reference of segment {number} differs from {paths[0]}; give --ref")
    return [first]


def _select(paths: Sequence[Path], ids: Sequence[int]) -> list[list[str]]:
    """The lines ``ids`` of each file; raises :class:`InputError` if a file is too short to be the generated data."""
    texts = [read_texts(path) for path in paths]
    check_lengths(list(zip(paths, texts, strict=True)))
    for path, lines in zip(paths, texts, strict=True):
        if len(lines) <= ids[-1]:
            raise InputError(
                f"{path} has only {len(lines)} lines, but the output of fairseq-generate has a segment {ids[-1]} "
                "(counted from 0); give the file of the same test set"
            )
    return [[lines[number] for number in ids] for lines in texts]


def _tell_missing(segments: list[Segment], path: Path) -> None:
    missing = missing_ids(segments)
    if missing:
        print(
            f"warning: {path}: {len(missing)} of {segments[-1].id + 1} segments are missing (the first is "
            f"{missing[0]}) and are not scored; fairseq-generate skipped them because they are too long or in an "
            "incomplete last batch (use --required-batch-size-multiple 1)",
            file=sys.stderr,
        )
