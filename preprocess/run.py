"""Run a manifest: read, clean, divide and binarize all its corpora. Finished steps are skipped when it is run again.

A manifest is a YAML file (ready ones are in examples/manifests):

  output: data-bin                  # data directory to write
  vocabulary: encoders/cino         # vocabulary directory
  work: text                        # folder of the text between the steps
  workers: 4                        # processes; how many makes no difference to what is written
  corpora:
    - name: bo                      # of the corpus (pairs within one language: --pair LANG-LANG:NAME)
      format: mc2                   # see preprocess.extract --help
      input: corpora/bo-crawl-only-release-20231112.jsonl
      lang: bo                      # zh-bo for pairs
      use: text                     # text, summary, pair or answer (default: the format's first)
      split: {train: 0.99, valid: 0.01}   # or a name: train
      limit: 2000                   # at most so many lines of each split; or {train: 2000}
      repeated_paragraphs: 10       # leave out paragraphs that so many documents have (menus, notices)
      clean: {near: 0.8}            # options of preprocess.clean; false: none
      published: where its authors publish it

Paths are relative to the current directory. Several entries may give splits of one corpus.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

if not __package__:  # started by its path: the checkout is where its packages are, not this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = Path(__file__).resolve().parent.name

from swcm_fairseq.data.vocabulary import DICT_FILE
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import check_distinct, check_outside, locked_directory, write_whole

from . import binarize, clean, extract
from .extract import output_paths
from .readers.records import Use
from .steps.manifest import CorpusEntry, Manifest, read_manifest
from .steps.terminal import print_table, without_next
from .text.reading_options import check_counts
from .text.split import split_lines

# Steps that would be wrong for a use: titles and answers are as short as they like, answers are often numbers or names.
UNFIT = {
    Use.SUMMARY: (clean.RATIO,),
    Use.ANSWER: (clean.RATIO, "letters", "script", "language"),
}


def check_inputs(manifest: Manifest) -> None:
    """Raise :class:`InputError` naming every missing corpus and where it is published, and a missing vocabulary."""
    missing = [
        f"{path} is missing" + (f", its authors publish it at {entry.published}" if entry.published else "")
        for entry in manifest.corpora
        for path in entry.input
        if not exists(path)
    ]
    dictionary = manifest.vocabulary / DICT_FILE
    if not exists(dictionary):
        missing.append(f"{dictionary} is missing, make a vocabulary with python -m preprocess.vocab")
    if missing:
        raise InputError("; ".join(missing))
    check_cleaning(manifest.corpora[0])  # no entry before could have made its files


def check_cleaning(entry: CorpusEntry) -> None:
    """Raise :class:`InputError` if a file that cleaning compares with is missing; an entry before may have made it."""
    for path in _read_by_clean(entry):
        if not exists(path):
            raise InputError(f"{path}: no such file (clean of {entry.name}: held_out or boilerplate)")


def once(record: Path, key: list[str], inputs: list[Path], outputs: list[Path], work: Callable[[], Any]) -> None:
    """Do ``work`` unless ``record`` says that it was done with this key on these inputs and its outputs are there."""
    state = json.dumps([key, [[str(path), *_state(path)] for path in inputs]])
    there = all(exists(path) for path in outputs)
    if there and exists(record) and record.read_text(encoding="utf-8") == state:
        print(f"done before: {' '.join(key[:2])}")
        return
    record.unlink(missing_ok=True)  # what it says of the outputs ends here, even if the work fails half-way
    with without_next():
        work()
    write_whole(record, state.encode("utf-8"))


def _state(path: Path) -> tuple[int, int | str]:
    """What changes when a file does: its size and time; of a folder, how many files it has and a hash of theirs."""
    if not path.is_dir():
        return path.stat().st_size, path.stat().st_mtime_ns
    files = sorted(file for file in path.rglob("*") if file.is_file())
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file}\0{file.stat().st_size}\0{file.stat().st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return len(files), whole.hexdigest()


def prepare(manifest: Manifest, entry: CorpusEntry) -> dict[str, list[Path]]:
    """Extract, clean and divide one corpus; returns the text files of each split."""
    folder = manifest.work / entry.name / "-".join(entry.shares)
    check_cleaning(entry)
    files = _extract(manifest, entry, folder)
    if entry.clean is not False:
        files = _clean(manifest, entry, folder, files)
    outputs = {split: [folder / f"{split}{path.suffix}" for path in files] for split in entry.shares}
    every = [path for paths in outputs.values() for path in paths]
    key = ["split", entry.name, json.dumps(entry.shares), json.dumps(entry.limits)]
    once(folder / "split.json", key, files, every, lambda: _split(manifest, entry, files, outputs))
    return outputs


def _extract(manifest: Manifest, entry: CorpusEntry, folder: Path) -> list[Path]:
    files = output_paths(str(folder / "all"), entry.made, entry.langs)
    argv = [entry.format, "--input", *entry.input, "--lang", entry.lang, "--use", str(entry.made)]
    argv += ["--output", str(folder / "all"), "--rejects", str(folder / "extract.rejects")]
    if entry.fields:
        argv += ["--fields", ",".join(f"{name}={value}" for name, value in entry.fields.items())]
    if entry.min_label:
        argv += ["--min-label", str(entry.min_label)]
    if entry.repeated_paragraphs is not None:
        argv += ["--repeated-paragraphs", str(entry.repeated_paragraphs)]
    inputs = [Path(path) for path in entry.input]
    work = [*argv, "--workers", str(manifest.workers)]
    once(folder / "extract.json", ["extract", entry.name, *argv], inputs, files, lambda: extract.main(work))
    return files


def _clean(manifest: Manifest, entry: CorpusEntry, folder: Path, files: list[Path]) -> list[Path]:
    options = entry.clean if isinstance(entry.clean, dict) else {}
    cleaned = [folder / f"clean{path.suffix}" for path in files]
    lang = entry.lang if len(entry.langs) == len(files) else f"{entry.lang}-{entry.lang}"
    argv = ["--lang", lang, "--input", *map(str, files), "--output", *map(str, cleaned)]
    argv += ["--rejects", str(folder / "clean.rejects")]
    argv += _flags(options)
    argv += ["--without", *UNFIT[entry.made]] if entry.made in UNFIT else []
    work = [*argv, "--workers", str(manifest.workers)]
    inputs = [*files, *_read_by_clean(entry)]
    once(folder / "clean.json", ["clean", entry.name, *argv], inputs, cleaned, lambda: clean.main(work))
    return cleaned


def _read_by_clean(entry: CorpusEntry) -> list[Path]:
    """The files that cleaning compares with; an entry before may have made them."""
    options = entry.clean if isinstance(entry.clean, dict) else {}
    return [Path(path) for key in ("held_out", "boilerplate") for path in _as_list(options.get(key, []))]


def _flags(options: dict[str, Any]) -> list[str]:
    """``{min_chars: 5, fold: true}`` as options of a command line."""
    flags = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(flag)
        elif value is not False and value is not None:
            flags += [flag, *map(str, _as_list(value))]
    return flags


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _split(manifest: Manifest, entry: CorpusEntry, files: list[Path], outputs: dict[str, list[Path]]) -> None:
    counts = split_lines(files, outputs, entry.shares, entry.limits, manifest.workers)
    rows = [[name, counts[name]] for name in (*entry.shares, *(set(counts) - set(entry.shares)))]
    print_table([f"{entry.name} split", "lines"], rows)


def specification(entry: CorpusEntry, split: str, files: list[Path]) -> list[str]:
    """The option of preprocess.binarize for a split."""
    names = ",".join(map(str, files))
    if entry.made is Use.TEXT:
        return ["--mono", f"{entry.lang}:{split}={names}"]
    langs = entry.lang if len(entry.langs) == 2 else f"{entry.lang}-{entry.lang}"
    name = "" if entry.name == langs else f":{entry.name}"
    return ["--pair", f"{langs}{name}:{split}={names}"]


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.run``."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="YAML file")
    instead = parser.add_argument_group("instead of what the manifest says")
    instead.add_argument("--output", type=Path, metavar="DIR", help="data directory to write")
    instead.add_argument("--vocabulary", type=Path, metavar="DIR", help="vocabulary directory")
    instead.add_argument("--work", type=Path, metavar="DIR", help="folder of the text between the steps")
    instead.add_argument("--workers", type=int, metavar="N", help="processes that do the work")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = make_parser().parse_args(argv)
    check_counts(args, "workers")
    given = {name: value for name, value in vars(args).items() if name != "manifest" and value is not None}
    manifest = replace(read_manifest(args.manifest), **given)
    check_inputs(manifest)
    check_places(args.manifest, manifest)
    with locked_directory(manifest.work):
        run_steps(manifest)


def check_places(path: Path, manifest: Manifest) -> None:
    """Raise :class:`InputError` if the folders that are written hold what is read, or lie in it."""
    read = [*(Path(each) for entry in manifest.corpora for each in entry.input), path]
    check_distinct(read, [manifest.work, manifest.output])
    for folder in (manifest.work, manifest.output):
        check_outside(read, folder)
    check_outside([manifest.vocabulary], manifest.work)


def run_steps(manifest: Manifest) -> None:
    """Prepare all corpora and binarize them."""
    specifications: list[str] = []
    for number, entry in enumerate(manifest.corpora, start=1):
        print(f"\n[{number}/{len(manifest.corpora)}] {entry.name}: {entry.format} {entry.lang} -> {entry.made}")
        for split, files in prepare(manifest, entry).items():
            specifications += specification(entry, split, files)
    print(f"\nbinarize into {manifest.output}")
    arguments = ["--vocab", str(manifest.vocabulary), "--output", str(manifest.output)]
    binarize.main([*arguments, "--workers", str(manifest.workers), *specifications])


if __name__ == "__main__":
    run_command(main)
