"""The command lines of the campaign: a valid one for each command and format, and their inputs."""

import json
import lzma
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
import torch
import yaml
from pyarrow import parquet

from preprocess import binarize, classification, clean, extract, sentences, stats, vocab, vocab_extend, vocab_prune
from preprocess import run as run_manifest
from swcm_fairseq import export
from swcm_fairseq.interop import convert, mbart
from swcm_fairseq.merge import __main__ as merge
from swcm_fairseq.reporting import curves, scores
from swcm_fairseq.scoring import __main__ as scoring
from swcm_fairseq.scoring import samples
from tests.faults.trainings import train
from tests.interop.mbart_support import write_mbart
from tests.preprocess.conftest import sentences as made_up
from tests.preprocess.conftest import write_lines

ROOT = Path(__file__).resolve().parents[2]


def _argv(program: Callable[[], None]) -> Callable[[list[str]], None]:
    """Turn a command that reads ``sys.argv`` into one that takes its arguments as a parameter."""

    def main(arguments: list[str]) -> None:
        before, sys.argv = sys.argv, ["command", *arguments]
        try:
            program()
        finally:
            sys.argv = before

    return main


@dataclass
class Command:
    """A valid command line.

    Attributes:
        main: function that runs the command.
        line: arguments of the command; ``{in}`` is the input folder and ``{out}`` the output folder.
        files: inputs in ``{in}`` to break.
        counted: whether the oracle counts its lines.
    """

    main: Callable[[list[str]], None]
    line: str
    files: tuple[str, ...]
    counted: bool = False
    weight: int = field(default=1)


ENCODER = ("encoder/config.json", "encoder/model.safetensors", "encoder/sentencepiece.bpe.model")
VOCABULARY = ("vocab/dict.txt", "vocab/sentencepiece.bpe.model")
PACKED = ("packed/config.json", "packed/model.safetensors", "packed/dict.txt", "packed/SHA256SUMS")
MODEL = "model/checkpoint_last.pt"
DATA = ("bin/corpora.json", "bin/dict.txt", "bin/bo/train.idx", "bin/bo/train.bin", "bin/train.zh-bo.zh.idx")
# Arguments of extract and the files that they read, for every format.
EXTRACTIONS = (
    ("mc2 --input {in}/mc2.jsonl --lang bo", "mc2.jsonl"),
    ("thucnews --input {in}/THUCNews --lang zh", "THUCNews/体育/1.txt"),
    ("plain --input {in}/bo --lang bo", "bo"),
    ("jsonl --input {in}/mc2.jsonl --lang bo", "mc2.jsonl"),
    ("json --input {in}/titles.json --lang bo --fields text=text,title=title", "titles.json"),
    ("parquet --input {in}/rows.parquet --lang bo", "rows.parquet"),
    ("arrow --input {in}/rows.arrow --lang bo", "rows.arrow"),
    ("csv --input {in}/news.csv --lang mn", "news.csv"),
    ("cmhg --input {in}/cmhg.csv --lang mn --min-label 3", "cmhg.csv"),
    ("plain-summaries --input {in}/bo {in}/zh --lang bo", "bo", "zh"),
    ("lcsts --input {in}/lcsts.txt --lang zh", "lcsts.txt"),
    ("xlsum --input {in}/xlsum.jsonl --lang bo", "xlsum.jsonl"),
    ("plain-pairs --input {in}/zh {in}/bo --lang zh-bo", "zh", "bo"),
    ("tsv-pairs --input {in}/pairs.tsv --lang zh-bo", "pairs.tsv"),
    ("jsonl-pairs --input {in}/pairs.jsonl --lang zh-bo", "pairs.jsonl"),
    ("json-pairs --input {in}/pairs.json --lang zh-bo", "pairs.json"),
    ("parquet-pairs --input {in}/pairs.parquet --lang zh-bo", "pairs.parquet"),
    ("arrow-pairs --input {in}/pairs.arrow --lang zh-bo", "pairs.arrow"),
    ("flores --input {in}/zho.jsonl {in}/bod.jsonl --lang zh-bo", "zho.jsonl", "bod.jsonl"),
    ("tmx --input {in}/pairs.tmx --lang zh-bo", "pairs.tmx"),
    ("sft-pairs --input {in}/sft.txt --lang zh-bo", "sft.txt"),
    ("cmrc2018 --input {in}/cmrc.json --lang zh --rejects {out}/r", "cmrc.json"),
    ("kazqad --input {in}/kazqad.jsonl --lang kk --rejects {out}/r", "kazqad.jsonl"),
    ("tibetanqa --input {in}/qa.csv --lang bo", "qa.csv"),
)


def _extract(line: str, *files: str) -> Command:
    """A command that extracts a corpus."""
    return Command(extract.main, f"{line} --output {{out}}/o", files)


COMMANDS = {
    "clean": Command(
        clean.main, "--lang bo --input {in}/bo --output {out}/o --rejects {out}/r --skip-invalid", ("bo",), True, 3
    ),
    "clean, pairs": Command(clean.main, "--lang zh-bo --input {in}/zh {in}/bo --output {out}/z {out}/b", ("zh", "bo")),
    "clean, packed": Command(clean.main, "--lang bo --input {in}/bo.xz --output {out}/o --near 0.8", ("bo.xz",)),
    "sentences": Command(sentences.main, "--lang bo --input {in}/bo --output {out}/o --part-chars 20", ("bo",)),
    **{f"extract {line.split()[0]}": _extract(line, *files) for line, *files in EXTRACTIONS},
    "clean, Kazakh": Command(
        clean.main, "--lang kk --input {in}/kk --output {out}/o --rejects {out}/r --kazakh-script arabic", ("kk",), True
    ),
    "vocab": Command(vocab.main, "--input bo={in}/bo zh={in}/zh --size 90 --output {out}/v", ("bo", "zh")),
    "vocab_extend": Command(
        vocab_extend.main,
        "--vocab {in}/encoder --input zh={in}/zh --size 39 --output {out}/v",
        ("zh", *ENCODER),
    ),
    "vocab_extend, aligned": Command(
        vocab_extend.main,
        "--vocab {in}/encoder --input bo={in}/bo --size 56 --align zh-bo={in}/zh,{in}/bo --output {out}/v",
        ("zh", "bo", *ENCODER),
    ),
    "vocab_prune": Command(
        vocab_prune.main, "--vocab {in}/encoder --input bo={in}/bo --output {out}/v", ("bo", *ENCODER)
    ),
    "binarize": Command(
        binarize.main,
        "--vocab {in}/vocab --output {out}/b --mono bo:train={in}/bo --pair zh-bo:train={in}/zh,{in}/bo",
        ("bo", "zh", *VOCABULARY),
        weight=2,
    ),
    "stats": Command(stats.main, "{in}/bin --alpha 0.3", DATA, weight=3),
    "run": Command(
        run_manifest.main, "{in}/manifest.yaml --output {out}/b --work {out}/w", ("manifest.yaml",), weight=3
    ),
    "convert": Command(_argv(convert.main), "{in}/encoder --output {out}/e", ENCODER, weight=3),
    "convert, packed": Command(_argv(convert.main), "{in}/packed --output {out}/e --layers 1", PACKED, weight=2),
    "convert, checkpoint": Command(
        _argv(convert.main),
        "{in}/checkpoint/model.pt --output {out}/e",
        ("checkpoint/model.pt", "checkpoint/dict.txt"),
        weight=3,
    ),
    "mbart": Command(
        mbart.main,
        "{in}/mbart --vocab {in}/vocab --output {out}/m.pt",
        ("mbart/model.pt", "mbart/dict.txt", *VOCABULARY),
    ),
    "scoring": Command(
        scoring.main,
        "--hyp {in}/bo --ref {in}/bo --lang bo --bootstrap 0 --trials 0 --output {out}/s",
        ("bo",),
    ),
    "scoring, generated": Command(
        scoring.main,
        "--generated {in}/generate-test.txt --lang bo --bootstrap 0 --trials 0 --output {out}/s --format json",
        ("generate-test.txt",),
        weight=2,
    ),
    "samples": Command(
        samples.main,
        "--generated {in}/generate-test.txt --lang bo --format jsonl --output {out}/s",
        ("generate-test.txt",),
    ),
    "export": Command(
        _argv(export.main),
        "{in}/model/checkpoint_last.pt --vocab {in}/bin --output {out}/e",
        (MODEL, DATA[1]),
        weight=2,
    ),
    "export, transformers": Command(
        _argv(export.main),
        "{in}/model/checkpoint_last.pt --vocab {in}/bin --format huggingface --output {out}/e",
        (MODEL, DATA[1]),
        weight=2,
    ),
    "export, fairseq": Command(
        _argv(export.main),
        "{in}/model/checkpoint_last.pt --vocab {in}/bin --format fairseq --output {out}/e",
        (MODEL, DATA[1]),
    ),
    "merge": Command(
        _argv(merge.main),
        "{in}/model/checkpoint_last.pt {in}/model/other.pt --method ties --base {in}/model/base.pt --densities 0.5,0.5 "
        "--output {out}/m.pt --shares {out}/s",
        (MODEL, "model/other.pt", "model/base.pt"),
        weight=3,
    ),
    "classification": Command(
        classification.main,
        "wcm {in}/wcm --vocab {in}/vocab --classes spreadsheet,text,programming --output {out}/c",
        ("wcm/zh/train.txt", "wcm/minority/bo.txt", *VOCABULARY),
        weight=2,
    ),
    "curves": Command(_argv(curves.main), "--output {out}/c.png --panel a b={in}/train.log", ("train.log",)),
    "scores": Command(_argv(scores.main), "{in}/run", ("run/scores/bo.json",), weight=2),
}


def make_corpora(folder: Path, bo: list[str], zh: list[str]) -> None:
    """Write a corpus in every format."""
    rows = [{"title": f"{i}", "text": text, "url": ""} for i, text in enumerate(bo)]
    _json_lines(folder / "mc2.jsonl", rows)
    _json_lines(folder / "xlsum.jsonl", [{"id": row["title"], "summary": row["title"], **row} for row in rows])
    (folder / "titles.json").write_text(json.dumps(rows[:9]))
    write_lines(folder / "news.csv", ["title,content", *(f'{i},"Эхлэл {i}, төгсгөл"' for i in range(9))])
    scored = [f"{i},Эхлэл {i} төгсгөл,{i % 5}" for i in range(9)]
    write_lines(folder / "cmhg.csv", ["title,content,average_score", *scored])
    (folder / "THUCNews/体育").mkdir(parents=True)
    for i, text in enumerate(zh[:5]):
        write_lines(folder / f"THUCNews/体育/{i}.txt", [f"题{i}", f"\u3000\u3000{text}"])
    parts = [("<doc id=0>", "<summary>", "题", "</summary>", "<short_text>", t, "</short_text>", "</doc>") for t in zh]
    write_lines(folder / "lcsts.txt", [line for part in parts for line in part])
    _make_pairs(folder, [{"zh": one, "bo": other} for one, other in zip(zh[:9], bo[:9], strict=True)])
    _make_questions(folder, bo, zh)
    _make_tables(folder / "rows", rows)


def _make_pairs(folder: Path, pairs: list[dict[str, str]]) -> None:
    _json_lines(folder / "pairs.jsonl", pairs)
    (folder / "pairs.json").write_text(json.dumps(pairs))
    write_lines(folder / "pairs.tsv", ["\t".join(pair.values()) for pair in pairs])
    write_lines(folder / "sft.txt", ["Source:{zh}Target:{bo}".format(**pair) for pair in pairs])
    units = "".join(
        f'<tu><tuv xml:lang="zh"><seg>{pair["zh"]}</seg></tuv><tuv xml:lang="bo"><seg>{pair["bo"]}</seg></tuv></tu>'
        for pair in pairs
    )
    (folder / "pairs.tmx").write_text(f'<tmx version="1.4"><header/><body>{units}</body></tmx>', "utf-8")
    for name, lang in (("zho", "zh"), ("bod", "bo")):
        _json_lines(folder / f"{name}.jsonl", [{"id": i, "text": pair[lang]} for i, pair in enumerate(pairs)])
    _make_tables(folder / "pairs", pairs)


def _make_questions(folder: Path, bo: list[str], zh: list[str]) -> None:
    asked = [{"query_text": f"问{i}?", "query_id": i, "answers": ["甲", f"乙{i}"]} for i in range(5)]
    (folder / "cmrc.json").write_text(json.dumps([{"context_text": text, "qas": asked} for text in zh[:5]]))
    answers = {"text": ["a", "b"], "answer_start": [0, 1]}
    _json_lines(folder / "kazqad.jsonl", [{"question": "?", "context": text, "answers": answers} for text in bo[:9]])
    write_lines(folder / "qa.csv", ["问题,答案,段落", *(f"{i}?,{i},{text}" for i, text in enumerate(bo[:9]))])


def _make_tables(stem: Path, rows: list[dict[str, str]]) -> None:
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, stem.with_suffix(".parquet"))
    with pyarrow.ipc.new_file(str(stem.with_suffix(".arrow")), table.schema) as file:
        file.write_table(table)


def _json_lines(path: Path, rows: Iterable[object]) -> None:
    write_lines(path, [json.dumps(row, ensure_ascii=False) for row in rows])


def make_inputs(folder: Path) -> None:
    """Write valid inputs for all commands."""
    bo, zh = made_up("bo", 30), made_up("zh", 30)
    write_lines(folder / "kk", [f"Қазақстан {i} ғылым" for i in range(30)])
    texts = {"bo": write_lines(folder / "bo", bo), "zh": write_lines(folder / "zh", zh)}
    (folder / "bo.xz").write_bytes(lzma.compress(texts["bo"].read_bytes()) * 2)
    make_corpora(folder, bo, zh)
    write_lines(folder / "generate-test.txt", [f"{k}-{i}\t{t}" for i, b in enumerate(bo) for k, t in _pairs(b)])
    vocab.main(["--size", "90", "--output", str(folder / "vocab"), "--input", *(f"{k}={v}" for k, v in texts.items())])
    line = COMMANDS["binarize"].line.replace("{out}/b", "{in}/bin").format(**{"in": folder})
    binarize.main(line.split())
    shutil.copytree(ROOT / "tests/interop/fixtures/xlmr", folder / "encoder", ignore=shutil.ignore_patterns("*.npz"))
    _argv(convert.main)([str(folder / "encoder"), "--output", str(folder / "checkpoint/model.pt"), "--to", "fairseq"])
    symbols = torch.load(folder / "checkpoint/model.pt", weights_only=True)["task_state"]["symbols"]
    write_lines(folder / "checkpoint/dict.txt", [f"{symbol} 1" for symbol in symbols[4:-1]])
    shutil.copy(folder / "encoder/sentencepiece.bpe.model", folder / "checkpoint")
    _argv(convert.main)([str(folder / "encoder"), "--to", "packed", "--output", str(folder / "packed")])
    more = ("--max-update", 1, "--disable-validation", "--langs", "bo,zh")
    train(folder / "bin", folder / "model", "multilingual_denoising_mt", *more)
    for name in ("other", "base"):
        shutil.copy(folder / MODEL, folder / f"model/{name}.pt")
    shutil.copytree(ROOT / "examples/smoke/data/wcm", folder / "wcm")
    step = {"epoch": 1, "update": 0.5, "loss": "3.2", "num_updates": "10"}
    write_lines(folder / "train.log", [f"2026-01-01 00:00:00 | INFO | train_inner | {json.dumps(step)}"] * 3)
    symbols = [line.split()[0] for line in (folder / "vocab/dict.txt").read_text("utf-8").splitlines()]
    write_mbart(folder / "mbart", symbols)
    entry = {"name": "bo", "format": "mc2", "input": str(folder / "mc2.jsonl"), "lang": "bo", "limit": 20}
    manifest = {"output": "b", "work": "w", "vocabulary": str(folder / "vocab"), "workers": 1}
    entry |= {"clean": {"near": 0.9}, "split": {"train": 0.7, "valid": 0.3}}
    (folder / "manifest.yaml").write_text(yaml.safe_dump({**manifest, "corpora": [entry]}))
    scored = folder / "run/scores/bo.json"
    scoring.main(COMMANDS["scoring, generated"].line.format(**{"in": folder, "out": folder}).split())
    scored.parent.mkdir(parents=True)
    (folder / "s").rename(scored)


def _pairs(text: str) -> list[tuple[str, str]]:
    return [("S", text), ("T", text), ("H", f"-0.5\t{text}"), ("D", f"-0.5\t{text}")]
