"""Report the effect of a changed vocabulary: coverage of each file and size of the encoder, before and after."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, SAFETENSORS, has_encoder
from swcm_fairseq.interop.row_plans import NewRows
from swcm_fairseq.output_files import write_whole

from ..steps.terminal import percent, print_table
from ..text.units import unit_name
from .coverage import Coverage, LanguageFile, measure
from .sentencepiece_models import (
    ModelProto,
    make_vocabulary_directory,
    processor_of,
    symbols,
    write_sentencepiece,
    write_vocabulary,
)

if TYPE_CHECKING:
    from swcm_fairseq.interop.encoder_rows import CarriedRows

REPORT_FILE = "report.json"
SHOWN, LIKELY = 5, 0.05  # number of example pieces, and minimum probability of their translations


def written_files(target: Path) -> list[Path]:
    """The files of a changed vocabulary (and encoder)."""
    return [target / name for name in (DICT_FILE, SENTENCEPIECE_FILE, REPORT_FILE, CONFIG_FILE, SAFETENSORS)]


def write_changed(
    source: Path,
    target: Path,
    old: ModelProto,
    new: ModelProto,
    files: list[LanguageFile],
    workers: int,
    seed: int = 1,
    new_rows: NewRows | None = None,
) -> None:
    """Write the new vocabulary, the encoder if ``source`` has one, and ``report.json``; print the report.

    Args:
        source: directory of the old vocabulary (and encoder).
        target: directory to write.
        old: the old model.
        new: the new model.
        files: text to measure both models on.
        workers: number of processes that measure.
        seed: random seed for the rows of new pieces.
        new_rows: how these rows start, if not at random.
    """
    make_vocabulary_directory(target, new)
    before = [measure(processor_of(old), file, workers) for file in files]
    after = [measure(processor_of(new), file, workers) for file in files]
    carried = None
    if has_encoder(source):
        from swcm_fairseq.interop.encoder_rows import carry_rows, write_carried  # imports torch

        config, tensors, carried = carry_rows(source, symbols(old), symbols(new), seed, new_rows or NewRows())
        write_sentencepiece(target, new)  # first, so that a rerun of the command recognizes the encoder as its own
        write_carried(target, config, tensors)
    _write_report(target, files, before, after, carried)
    write_vocabulary(target, new)  # last: a directory with dict.txt is complete
    _print_coverage(files, before, after)
    if carried is not None:
        _print_encoder(carried)


def _write_report(
    target: Path,
    files: list[LanguageFile],
    before: list[Coverage],
    after: list[Coverage],
    carried: "CarriedRows | None",
) -> None:
    rows = [
        {"file": file.label, "unit": unit_name(file.lang), "before": asdict(old), "after": asdict(new)}
        for file, old, new in zip(files, before, after, strict=True)
    ]
    report = {"coverage": rows, "encoder": asdict(carried) if carried else None}
    write_whole(target / REPORT_FILE, json.dumps(report, ensure_ascii=False, indent=1).encode("utf-8"))


def _print_coverage(files: list[LanguageFile], before: list[Coverage], after: list[Coverage]) -> None:
    rows = []
    for file, old, new in zip(files, before, after, strict=True):
        unknown = [percent(each.unknown, each.tokens) for each in (old, new)]
        rates = [f"{each.tokens_per_unit:.2f}" for each in (old, new)]
        rows.append([file.label, unit_name(file.lang), *rates, *unknown])
    print_table(["file", "unit", "tokens per unit", "after", "unknown", "after"], rows)


def _print_encoder(carried: "CarriedRows") -> None:
    print(
        f"\nencoder: {carried.carried:,} of {carried.rows_before:,} embedding rows carried over, {carried.new:,} new; "
        f"{carried.parameters_before / 1e6:.1f}M -> {carried.parameters_after / 1e6:.1f}M parameters"
    )
    if carried.new:
        print()
        print_table(["new rows", "rows"], [[kind, rows] for kind, rows in carried.new_rows["rows"].items() if rows])
    for example in carried.new_rows["examples"][:SHOWN]:
        likely = [(piece, share) for piece, share in example["translations"].items() if share >= LIKELY]
        translations = ", ".join(f"{piece} {share:.2f}" for piece, share in likely)
        print(f"  {example['piece']} <- {translations}")
