"""Broken inputs for every command, and a table of what came of them.

    python -m tests.faults.campaign [--cases 5000] [--seed 1] [--workers 2] [--output tests/faults/RESULTS.md]

A case takes a valid command line and breaks one thing of it: bytes of a file, the type of a value in JSON or YAML, the
place of the output, or an option. It is drawn from (seed, number of the case) and judged by ``tests.faults.oracle``.
"""

import argparse
import json
import lzma
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import yaml

from preprocess import binarize, classification, clean, extract, sentences, stats, vocab, vocab_extend, vocab_prune
from preprocess import run as run_manifest
from swcm_fairseq import export
from swcm_fairseq.interop import convert, mbart
from swcm_fairseq.merge import __main__ as merge
from swcm_fairseq.reporting import curves, scores
from swcm_fairseq.scoring import __main__ as scoring
from swcm_fairseq.scoring import samples
from tests.faults.oracle import Verdict, judge
from tests.faults.trainings import train
from tests.interop.mbart_support import write_mbart
from tests.preprocess.conftest import sentences as made_up
from tests.preprocess.conftest import write_lines

ROOT = Path(__file__).resolve().parents[2]
PART = 50  # cases that a worker process gets at a time
KINDS = ("bytes", "values", "output", "option")
FAULTS = ("traceback", "hang", "loss", "unclear")
ODD_VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 1.5, 10**13, "", "x", [], {}, [None], {"a": {"b": []}}, [[[]]], "\u2028", "1e999"),
)
ODD_NUMBERS = ("-1", "0", "1e9", "nan", "inf", "99999999999999999999", "x", "", "1.5", "٣")
ODD_TEXTS = ("", " ", "-", "--", "bo-", "xx", "../..", "\udcff", "x" * 300, "a\nb", "zh-bo-kk", "BO", "%s", "{}", "*")


def _argv(program: Callable[[], None]) -> Callable[[list[str]], None]:
    """A command that reads ``sys.argv`` as one that is given its arguments."""

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
        main: what runs it.
        line: its arguments; ``{in}`` is the folder of inputs, ``{out}`` that of outputs.
        files: inputs in ``{in}`` that are broken.
        counted: whether its lines are counted by the oracle.
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
COMMANDS = {
    "clean": Command(
        clean.main, "--lang bo --input {in}/bo --output {out}/o --rejects {out}/r --skip-invalid", ("bo",), True, 3
    ),
    "clean, pairs": Command(clean.main, "--lang zh-bo --input {in}/zh {in}/bo --output {out}/z {out}/b", ("zh", "bo")),
    "clean, packed": Command(clean.main, "--lang bo --input {in}/bo.xz --output {out}/o --near 0.8", ("bo.xz",)),
    "sentences": Command(sentences.main, "--lang bo --input {in}/bo --output {out}/o --part-chars 20", ("bo",)),
    "extract mc2": Command(
        extract.main, "mc2 --input {in}/mc2.jsonl --lang bo --output {out}/o", ("mc2.jsonl",), weight=2
    ),
    "extract cmrc2018": Command(
        extract.main,
        "cmrc2018 --input {in}/cmrc.json --lang zh --output {out}/o --rejects {out}/r",
        ("cmrc.json",),
        weight=2,
    ),
    "extract csv": Command(extract.main, "csv --input {in}/news.csv --lang mn --output {out}/o", ("news.csv",)),
    "extract tmx": Command(extract.main, "tmx --input {in}/pairs.tmx --lang zh-bo --output {out}/o", ("pairs.tmx",)),
    "extract lcsts": Command(extract.main, "lcsts --input {in}/lcsts.txt --lang zh --output {out}/o", ("lcsts.txt",)),
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


def make_inputs(folder: Path) -> None:
    """Valid inputs of all commands."""
    bo, zh = made_up("bo", 30), made_up("zh", 30)
    texts = {"bo": write_lines(folder / "bo", bo), "zh": write_lines(folder / "zh", zh)}
    (folder / "bo.xz").write_bytes(lzma.compress(texts["bo"].read_bytes()) * 2)
    rows = [{"title": f"{i}", "text": text, "url": ""} for i, text in enumerate(bo)]
    write_lines(folder / "mc2.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows])
    asked = [{"query_text": f"问{i}?", "query_id": i, "answers": ["甲", f"乙{i}"]} for i in range(5)]
    (folder / "cmrc.json").write_text(json.dumps([{"context_text": text, "qas": asked} for text in zh[:5]]))
    write_lines(folder / "news.csv", ["title,content", *(f'{i},"Эхлэл {i}, төгсгөл"' for i in range(9))])
    units = "".join(
        f'<tu><tuv xml:lang="zh"><seg>{a}</seg></tuv><tuv xml:lang="bo"><seg>{b}</seg></tuv></tu>'
        for a, b in zip(zh[:9], bo[:9], strict=True)
    )
    (folder / "pairs.tmx").write_text(f'<tmx version="1.4"><header/><body>{units}</body></tmx>', "utf-8")
    parts = [("<doc id=0>", "<summary>", "题", "</summary>", "<short_text>", t, "</short_text>", "</doc>") for t in zh]
    write_lines(folder / "lcsts.txt", [line for part in parts for line in part])
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


def break_bytes(content: bytes, chance: random.Random) -> bytes:
    """A file with damage."""
    place, length = chance.randrange(len(content) or 1), chance.randrange(1, 64)
    match chance.randrange(8):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes(length) + content[place + length :]
        case 2:
            return content[:place] + chance.randbytes(length) + content[place:]
        case 3:
            return content[:place] + content[place + length :]
        case 4:
            return content + content[place:]
        case 5:
            return chance.randbytes(length) if chance.random() < 0.5 else b""
        case 6:
            return content.replace(
                chance.choice((b"\n", b" ", b"1", b'"')), chance.choice((b"\r", b"\0", b"\xff", b""))
            )
    damaged = bytearray(content)
    for _ in range(chance.randrange(1, 9)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def break_value(content: Any, chance: random.Random) -> Any:
    """A value with one of its parts, at any depth, of another type, gone, or under another key."""
    if isinstance(content, (dict, list)) and content and chance.random() < 0.85:
        content = content.copy()
        key = chance.choice(list(content)) if isinstance(content, dict) else chance.randrange(len(content))
        if chance.random() < 0.1:
            moved = content.pop(key)
            if isinstance(content, dict) and chance.random() < 0.5:
                content["odd"] = moved
        else:
            content[key] = break_value(content[key], chance)
        return content
    return chance.choice(ODD_VALUES)


def break_file(path: Path, kind: str, chance: random.Random) -> None:
    """Break a file in place."""
    content = path.read_bytes()
    if kind == "values" and path.suffix in (".json", ".yaml", ".pt", ".jsonl"):
        if path.suffix == ".pt":
            torch.save(break_value(torch.load(path, weights_only=True), chance), path)
        elif path.suffix == ".jsonl":
            lines = content.decode().splitlines()
            number = chance.randrange(len(lines))
            lines[number] = json.dumps(break_value(json.loads(lines[number]), chance))
            write_lines(path, lines)
        elif path.suffix == ".yaml":
            path.write_text(yaml.safe_dump(break_value(yaml.safe_load(content), chance)))
        else:
            text = json.dumps(break_value(json.loads(content), chance))
            path.write_text(
                text.replace("1.5", chance.choice(("1.5", "NaN", "Infinity", "1e999", "9" * 5000, "[" * 9999)))
            )
        return
    path.write_bytes(break_bytes(content, chance))


def break_output(argv: list[str], folder: Path, chance: random.Random) -> list[str]:
    """Arguments with an odd place for output."""
    places = [i + 1 for i, each in enumerate(argv) if each in ("--output", "--rejects", "--work", "--png")]
    if not places:
        return [*argv, "--png", str(folder / "out/bo")]
    read = str(folder / "in")
    inputs = [each[each.index(read) :].split(",")[0] for each in argv if read in each]
    os_places = ("/dev/null", "/dev/full", "/proc/self/x", "x" * 300, "", "/", ".")
    (folder / "out/loop").symlink_to("loop")
    (folder / "out/link").symlink_to(inputs[0])
    (folder / "out/file").write_text("there")
    (folder / "out/full").mkdir()
    (folder / "out/full/x").write_text("there")
    ours = (
        *(f"out/{name}" for name in ("loop", "link", "file", "full", "file/x", "deep/er/o")),
        "in",
        "in/new",
    )
    odd = [*inputs, *os_places, *(str(folder / place) for place in ours)]
    argv = list(argv)
    argv[chance.choice(places)] = chance.choice(odd)
    return argv


def break_option(argv: list[str], chance: random.Random) -> list[str]:
    """Arguments with one odd value, one missing, or one too many."""
    argv = list(argv)
    place = chance.randrange(len(argv))
    match chance.randrange(4):
        case 0:
            del argv[place]
        case 1:
            argv.insert(place, chance.choice((*ODD_TEXTS, *ODD_NUMBERS, "--help-me", "--workers")))
        case 2:
            flags = (
                "--workers",
                "--seed",
                "--min-chars",
                "--near",
                "--alpha",
                "--size",
                "--max-chars",
                "--limit",
                "--encoding",
            )
            argv += [chance.choice(flags), chance.choice((*ODD_NUMBERS, *ODD_TEXTS))]
        case _:
            if not argv[place].startswith("/"):
                argv[place] = chance.choice((*ODD_TEXTS, *ODD_NUMBERS))
    return [each.replace("\0", "") for each in argv]


@dataclass
class Case:
    """One case, drawn from (seed, number)."""

    command: str
    kind: str
    what: str
    argv: list[str]
    verdict: Verdict


def run_case(seed: int, number: int, inputs: Path, folder: Path) -> Case:
    """Make and judge a case in an empty folder."""
    chance = random.Random(f"{seed} {number}")
    name = chance.choice([name for name, command in COMMANDS.items() for _ in range(command.weight)])
    command, kind = COMMANDS[name], chance.choices(KINDS, (4, 4, 1, 1))[0]
    shutil.copytree(inputs, folder / "in")
    (folder / "out").mkdir()
    argv = [part.format(**{"in": folder / "in", "out": folder / "out"}) for part in command.line.split()]
    what = ""
    if kind in ("bytes", "values"):
        structured = [file for file in command.files if Path(file).suffix in (".json", ".yaml", ".pt", ".jsonl")]
        what = chance.choice(structured if kind == "values" and structured else command.files)
        break_file(folder / "in" / what, kind, chance)
        if name == "run":
            _relocate(folder, inputs)
    else:
        argv = break_output(argv, folder, chance) if kind == "output" else break_option(argv, chance)
    counted = command.counted and kind in ("bytes", "values")
    with chdir(folder / "out"):  # relative places of output are in there
        verdict = judge(command.main, argv, [folder / "in"], folder / "out/r" if counted else None)
    return Case(name, kind, what, argv, verdict)


def _relocate(folder: Path, inputs: Path) -> None:
    """A manifest names its inputs by their paths, which are those of this case's folder."""
    path = folder / "in/manifest.yaml"
    path.write_bytes(path.read_bytes().replace(str(inputs).encode(), str(folder / "in").encode()))


def run_cases(seed: int, numbers: range, inputs: Path) -> list[tuple[int, Case]]:
    """Cases, each in a folder of its own; for worker processes."""
    found = []
    for number in numbers:
        folder = inputs.parent / f"case{number}"
        folder.mkdir()
        found.append((number, run_case(seed, number, inputs, folder)))
        shutil.rmtree(folder, ignore_errors=True)
    return found


def campaign(cases: int, seed: int, show: Callable[[int, Case], None], workers: int = 1) -> dict[str, Counter[str]]:
    """Run the cases; returns command -> counts of verdicts."""
    table: dict[str, Counter[str]] = {name: Counter() for name in COMMANDS}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        inputs = Path(place) / "valid"
        inputs.mkdir()
        make_inputs(inputs)
        parts = [range(first, min(first + PART, cases)) for first in range(0, cases, PART)]
        with ProcessPoolExecutor(workers, get_context("fork")) as pool:
            run = pool.map if workers > 1 else map
            for found in run(run_cases, repeat(seed), parts, repeat(inputs)):
                for number, case in found:
                    table[case.command][case.verdict.kind] += 1
                    show(number, case)
    return table


def as_table(table: dict[str, Counter[str]], cases: int, seed: int) -> str:
    """The counts as Markdown."""
    heads = ("done", "refused in one line", "tracebacks", "hangs", "losses", "unclear")
    kinds = ("ok", "refused", *FAULTS)
    lines = [f"# {cases:,} broken inputs, seed {seed}", "", f"| command | cases | {' | '.join(heads)} |"]
    lines.append("|:---|" + "---:|" * (len(heads) + 1))
    total: Counter[str] = sum(table.values(), Counter())
    for name, counts in {**table, "all": total}.items():
        lines.append(f"| {name} | {counts.total():,} | {' | '.join(f'{counts[kind]:,}' for kind in kinds)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the campaign and print the table; exit status 1 if there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="write the table there, too")
    args = parser.parse_args()
    start = time.monotonic()

    def show(number: int, case: Case) -> None:
        if case.verdict.is_fault:
            line = " ".join(case.argv)[-150:]
            print(
                f"{number} {case.command} {case.kind} {case.what}: {case.verdict.kind}: {case.verdict.detail} [{line}]",
                flush=True,
            )

    table = campaign(args.cases, args.seed, show, args.workers)
    text = as_table(table, args.cases, args.seed)
    print(f"{text}\n{time.monotonic() - start:.0f} s")
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    sys.exit(any(counts[kind] for counts in table.values() for kind in FAULTS))


if __name__ == "__main__":
    main()
