"""Compare swcm binarize with the stock pipeline (encode to pieces, then fairseq-preprocess) on the same machine.

    python benchmarks/binarize_throughput.py                        # the quickstart's text, a vocabulary trained on it
    python benchmarks/binarize_throughput.py --vocab VOCAB --text FILE... --lines 10000 100000 400000 --workers 1

Both read the same text with the same vocabulary and run as whole processes, including start-up. Their output files
must be equal. Encoding uses the spm_encode program if available, otherwise a copy of the loop in fairseq's
scripts/spm_encode.py. Peak memory is that of the largest process. Below 100,000 lines, most of the
time is spent importing torch and fairseq.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import measure
from swcm_preprocess.text.text_files import open_lines

from swcm_fairseq.data.vocabulary import SENTENCEPIECE_FILE
from swcm_fairseq.errors import run_command

OURS, STOCK = "ours", "spm_encode | fairseq-preprocess"
QUICKSTART = Path(__file__).resolve().parents[1] / "examples/quickstart/data/sample"
PIECES = 4_000  # size of the vocabulary that is trained if --vocab is not given
SPM_ENCODE = """
import sys, sentencepiece
processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
with open(sys.argv[2], encoding="utf-8", newline="\\n") as lines, open(sys.argv[3], "w", encoding="utf-8") as out:
    for line in lines:
        print(" ".join(processor.encode_as_pieces(line.strip())), file=out)
"""


def run(command: list[str]) -> tuple[float, float]:
    """Wall-clock seconds and peak memory (MiB) of a command."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(command)}\n{log.read().decode()}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def write_text(files: list[str], count: int, path: Path) -> None:
    """Write the first ``count`` non-blank lines of the files, which are repeated as needed."""
    lines = [line for file in files for line in open_lines(file) if line.strip()]
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in itertools.islice(itertools.cycle(lines), count))


def stock_chain(vocab: Path, text: Path, folder: Path, workers: int) -> tuple[float, float]:
    """Seconds and peak MiB for encoding to a file of pieces and running fairseq-preprocess."""
    model, pieces = str(vocab / SENTENCEPIECE_FILE), str(folder / "pieces")
    program = shutil.which("spm_encode")
    encode = (
        [program, f"--model={model}", f"--input={text}", f"--output={pieces}"]
        if program
        else [sys.executable, "-c", SPM_ENCODE, model, str(text), pieces]
    )
    preprocess = [sys.executable, "-m", "fairseq_cli.preprocess", "--only-source", "--trainpref", pieces]
    preprocess += ["--srcdict", str(vocab / "dict.txt"), "--destdir", str(folder / "stock"), "--workers", str(workers)]
    first, second = run(encode), run(preprocess)
    return first[0] + second[0], max(first[1], second[1])


def ours(vocab: Path, text: Path, folder: Path, workers: int) -> tuple[float, float]:
    """Seconds and peak MiB of swcm binarize."""
    command = [
        sys.executable,
        "-m",
        "swcm_fairseq.cli",
        "binarize",
        "--vocab",
        str(vocab),
        "--output",
        str(folder / "ours"),
    ]
    return run([*command, "--plain", f"train={text}", "--workers", str(workers)])


def same_bytes(folder: Path) -> bool:
    """Whether both wrote the same files."""
    names = [f"train.{extension}" for extension in ("bin", "idx")]
    return all((folder / "stock" / name).read_bytes() == (folder / "ours" / name).read_bytes() for name in names)


def make_vocabulary(folder: Path) -> Path:
    """Train a vocabulary on the quickstart text; returns its directory."""
    files = [f"{path.name.split('.')[1]}={path}" for path in sorted(QUICKSTART.glob("mono.*.train.txt"))]
    run(
        [
            sys.executable,
            "-m",
            "swcm_fairseq.cli",
            "vocab",
            "--input",
            *files,
            "--size",
            str(PIECES),
            "--output",
            str(folder),
        ]
    )
    return folder


def one_size(options: argparse.Namespace, count: int, vocab: Path, text: list[str]) -> tuple[dict, str]:
    """The seconds and MiB of each contestant in each round, and whether their output files are equal."""
    sides = {OURS: ours} if options.only_ours else {OURS: ours, STOCK: stock_chain}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(text, count, folder / "text")
        turns = measure.alternate(
            options.rounds,
            {
                side: partial(run_side, vocab, folder / "text", folder, options.workers)
                for side, run_side in sides.items()
            },
        )
        if options.only_ours:
            return turns, ""
        return turns, "same" if same_bytes(folder) else "DIFFERENT"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=2)
    parser.add_argument(
        "--vocab", type=Path, metavar="DIR", help="vocabulary (default: train one on the quickstart's text)"
    )
    parser.add_argument(
        "--text", nargs="+", metavar="FILE", help="text, repeated up to each size (default: the quickstart's)"
    )
    parser.add_argument(
        "--lines",
        type=int,
        nargs="+",
        default=[10_000, 100_000, 400_000],
        metavar="N",
        help="numbers of lines (default: 10000 100000 400000)",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="number of worker processes of each contestant (default: 1)"
    )
    parser.add_argument(
        "--only-ours", action="store_true", help="skip the stock pipeline, for example to measure only memory"
    )
    return parser


def make_report(options: argparse.Namespace, results: dict[int, tuple[dict, str]]) -> measure.Report:
    """The table and, for each size, the ratio."""
    rows, ratios = [], []
    for count, (turns, same) in results.items():
        for side, rounds in turns.items():
            seconds, memory = zip(*rounds, strict=True)
            rows.append([f"{count:,}", side, measure.spread(seconds, 1), f"{max(memory):,.0f}", same])
        if STOCK in turns:
            speed = {side: [count / turn[0] for turn in rounds] for side, rounds in turns.items()}
            ratios.append(measure.Ratio.of(f"lines/s of {count:,} lines, ours / stock", speed[OURS], speed[STOCK]))
    return measure.Report(
        title="swcm binarize compared with `spm_encode | fairseq-preprocess`",
        device="cpu",
        settings=[
            f"{options.workers} process(es) of each; whole processes, including start-up",
            f"{options.rounds} rounds; median (range); wall-clock seconds",
        ],
        headers=["lines", "", "seconds", "peak MiB", "bytes"],
        rows=rows,
        ratios=ratios[::-1],  # the largest size first, where the start of the processes matters least
        packages=["sentencepiece"],
        raw={str(count): turns for count, (turns, _) in results.items()},
    )


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    text = options.text or [str(path) for path in sorted(QUICKSTART.glob("mono.*.train.txt"))]
    with tempfile.TemporaryDirectory() as name:
        vocab = options.vocab or make_vocabulary(Path(name) / "vocab")
        results = {count: one_size(options, count, vocab, text) for count in options.lines}
    make_report(options, results).write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
