"""Run a manifest: extract, clean, split and binarize all its corpora. Running it again skips finished steps.

A manifest is a YAML file (examples are in examples/manifests):

  output: data-bin                  # data directory to write
  vocabulary: encoders/cino         # vocabulary directory
  work: text                        # folder for the intermediate text
  workers: 4                        # number of processes; the output does not depend on it
  corpora:
    - name: bo                      # name of the corpus (for pairs: NAME of --pair SRC-TGT:NAME)
      format: mc2                   # see swcm extract --help
      input: corpora/bo-crawl-only-release-20231112.jsonl
      lang: bo                      # zh-bo for pairs
      use: text                     # text, summary, pair or answer (default: the first use of the format)
      split: {train: 0.99, valid: 0.01}   # or a single split: train
      limit: 2000                   # maximum number of lines of every split; or {train: 2000}
      repeated_paragraphs: 10       # leave out paragraphs that occur in at least this many documents (menus, notices)
      clean: {near: 0.8}            # options of swcm clean; false: no cleaning
      published: https://...        # where its authors publish it

Paths are relative to the current directory. Several entries may provide splits of the same corpus.
"""

import argparse
import sys
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path

if not __package__:  # started by its path: import from the checkout instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = Path(__file__).resolve().parent.name

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.vocabulary import DICT_FILE
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.finished_steps import Step
from swcm_fairseq.output_files import check_distinct, check_outside, locked_directory

from .binarize import binarize
from .clean import clean
from .databin.corpus_specs import Job, corpus_of
from .extract import extract
from .readers import FORMATS
from .readers.extraction import ExtractOptions, output_paths
from .readers.records import Use
from .steps.manifest import CorpusEntry, Manifest, options_as_keys, read_manifest
from .steps.schema import parsed
from .steps.terminal import print_next, print_table
from .steps.work_options import LineWorkOptions, WorkOptions
from .text.cleaning import RATIO, CleanOptions
from .text.reading_options import ReadingOptions
from .text.split import split_lines

# Steps that do not suit a use: titles and answers may be short, and answers are often numbers or names.
UNFIT = {
    Use.SUMMARY: (RATIO,),
    Use.ANSWER: (RATIO, "letters", "script", "language"),
}


def check_inputs(manifest: Manifest) -> None:
    """Raise :class:`InputError` that names every missing corpus and where it is published, and a missing vocabulary."""
    missing = [
        f"{path} is missing" + (f" (its authors publish it at {entry.published})" if entry.published else "")
        for entry in manifest.corpora
        for path in entry.input
        if not exists(path)
    ]
    dictionary = manifest.vocabulary / DICT_FILE
    if not exists(dictionary):
        missing.append(f"{dictionary} is missing (make a vocabulary with swcm vocab)")
    if missing:
        raise InputError("; ".join(missing))
    check_cleaning(manifest.corpora[0])  # no earlier entry can make its files


def check_places(path: Path, manifest: Manifest) -> None:
    """Raise :class:`InputError` if an output folder contains an input, or is inside one."""
    read = [*(each for entry in manifest.corpora for each in entry.input), path]
    check_distinct(read, [manifest.work, manifest.output])
    for folder in (manifest.work, manifest.output):
        check_outside(read, folder)
    check_outside([manifest.vocabulary], manifest.work)


def check_cleaning(entry: CorpusEntry) -> None:
    """Raise :class:`InputError` if a file that cleaning reads is missing; earlier entries may make such files."""
    for path in entry.clean.read if entry.clean else []:
        if not exists(path):
            raise InputError(f"{path}: no such file (named by clean of {entry.name})")


def prepare(manifest: Manifest, entry: CorpusEntry) -> list[Job]:
    """Extract, clean and split one corpus; return its splits, to be binarized."""
    folder = manifest.work / entry.name / "-".join(entry.shares)
    check_cleaning(entry)
    files = _extract(manifest, entry, folder)
    if entry.clean:
        files = _clean(manifest, entry, entry.clean, folder, files)
    outputs = {split: [folder / f"{split}{path.suffix}" for path in files] for split in entry.shares}
    every = [path for paths in outputs.values() for path in paths]
    settings = [entry.shares, entry.limits]
    step = Step(folder / "split.json", f"split {entry.name}", settings, files, every)
    step.do(partial(_split, manifest, entry, files, outputs))
    corpus = corpus_of(entry.sides, entry.name)
    return [Job(corpus, split, [tuple(paths)]) for split, paths in outputs.items()]


def _extract(manifest: Manifest, entry: CorpusEntry, folder: Path) -> list[Path]:
    files = output_paths(str(folder / "all"), entry.chosen_use, entry.langs)
    options = ExtractOptions(**{each.name: getattr(entry, each.name) for each in fields(ExtractOptions)})
    settings = [entry.format, entry.langs, entry.chosen_use, asdict(options), folder]
    work = LineWorkOptions(manifest.workers, folder / "extract.rejects")
    kind, prefix = FORMATS[entry.format], str(folder / "all")
    step = Step(folder / "extract.json", f"extract {entry.name}", settings, entry.input, files)
    step.do(partial(extract, kind, entry.input, entry.langs, entry.chosen_use, prefix, options, work))
    return files


def _clean(
    manifest: Manifest, entry: CorpusEntry, options: CleanOptions, folder: Path, files: list[Path]
) -> list[Path]:
    cleaned = [folder / f"clean{path.suffix}" for path in files]
    options = replace(options, without=[*options.without, *UNFIT.get(entry.chosen_use, ())])
    settings = [entry.sides, asdict(options), folder]
    work = LineWorkOptions(manifest.workers, folder / "clean.rejects")
    step = Step(folder / "clean.json", f"clean {entry.name}", settings, [*files, *options.read], cleaned)
    step.do(partial(clean, entry.sides, files, cleaned, options, ReadingOptions(), work))
    return cleaned


def _split(manifest: Manifest, entry: CorpusEntry, files: list[Path], outputs: dict[str, list[Path]]) -> None:
    counts = split_lines(files, outputs, entry.shares, entry.limits, manifest.workers)
    rows = [[name, counts[name]] for name in (*entry.shares, *(set(counts) - set(entry.shares)))]
    print_table([f"{entry.name} split", "lines"], rows)


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm run``."""
    parser = command_parser("run", __doc__)
    parser.add_argument("manifest", type=Path, help="YAML file")
    instead = parser.add_argument_group("options that override the manifest")
    instead.add_argument("--output", type=Path, metavar="DIR", help="data directory to write")
    instead.add_argument("--vocabulary", type=Path, metavar="DIR", help="vocabulary directory")
    instead.add_argument("--work", type=Path, metavar="DIR", help="folder for the intermediate text")
    instead.add_argument("--workers", type=int, metavar="N", help="number of worker processes")
    return parser


def run(manifest: Manifest, path: Path) -> None:
    """Prepare all corpora of a manifest and binarize them.

    Args:
        manifest: the contents of the manifest.
        path: file of the manifest, which must not be in an output folder.

    Raises:
        InputError: a corpus or the vocabulary is missing, or a step fails; the next run skips finished steps.
    """
    check_inputs(manifest)
    check_places(path, manifest)
    with locked_directory(manifest.work):
        _run_steps(manifest, path)


def _run_steps(manifest: Manifest, path: Path) -> None:
    jobs: list[Job] = []
    for number, entry in enumerate(manifest.corpora, start=1):
        print(f"\n[{number}/{len(manifest.corpora)}] {entry.name}: {entry.format} {entry.lang} -> {entry.chosen_use}")
        with options_as_keys(f"{path}: corpora[{number - 1}]"):
            jobs += prepare(manifest, entry)
    print(f"\nbinarize into {manifest.output}")
    binarize(manifest.vocabulary, manifest.output, jobs, ReadingOptions(), LineWorkOptions(manifest.workers))


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    if args.workers is not None:
        parsed(WorkOptions, args)  # checks the number of workers
    given = {name: value for name, value in vars(args).items() if name != "manifest" and value is not None}
    manifest = replace(read_manifest(args.manifest), **given)
    run(manifest, args.manifest)
    print_next(
        f"fairseq-train {manifest.output} --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt ..."
    )


if __name__ == "__main__":
    run_command(main)
