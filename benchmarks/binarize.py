"""preprocess.binarize against the stock chain (encode to pieces, then fairseq-preprocess), on the same machine.

Both read the same text with the same vocabulary and are whole processes, start included; the bytes they write are
compared. Encoding uses the spm_encode program if there is one, otherwise a copy of fairseq's scripts/spm_encode.py
loop. Peak memory is that of the largest process.

    python benchmarks/binarize.py --vocab VOCAB --text FILE... --lines 10000 100000 400000 --workers 1
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from preprocess.tables import print_table
from preprocess.text import open_lines
from swcm_fairseq.data.vocabulary import SENTENCEPIECE_FILE

SPM_ENCODE = """
import sys, sentencepiece
processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
with open(sys.argv[2], encoding="utf-8", newline="\\n") as lines, open(sys.argv[3], "w", encoding="utf-8") as out:
    for line in lines:
        print(" ".join(processor.encode_as_pieces(line.strip())), file=out)
"""


def measure(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak memory (MiB) of a command."""
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
    """The first ``count`` lines with text of the files, from the start again when they end."""
    lines = [line for file in files for line in open_lines(file) if line.strip()]
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in itertools.islice(itertools.cycle(lines), count))


def stock_chain(vocab: Path, text: Path, folder: Path, workers: int) -> tuple[float, float]:
    """Seconds and peak MiB of encoding to a file of pieces and fairseq-preprocess."""
    model, pieces = str(vocab / SENTENCEPIECE_FILE), str(folder / "pieces")
    program = shutil.which("spm_encode")
    encode = (
        [program, f"--model={model}", f"--input={text}", f"--output={pieces}"]
        if program
        else [sys.executable, "-c", SPM_ENCODE, model, str(text), pieces]
    )
    preprocess = [sys.executable, "-m", "fairseq_cli.preprocess", "--only-source", "--trainpref", pieces]
    preprocess += ["--srcdict", str(vocab / "dict.txt"), "--destdir", str(folder / "stock"), "--workers", str(workers)]
    first, second = measure(encode), measure(preprocess)
    return first[0] + second[0], max(first[1], second[1])


def ours(vocab: Path, text: Path, folder: Path, workers: int) -> tuple[float, float]:
    """Seconds and peak MiB of preprocess.binarize."""
    command = [sys.executable, "-m", "preprocess.binarize", "--vocab", str(vocab), "--output", str(folder / "ours")]
    return measure([*command, "--plain", f"train={text}", "--workers", str(workers)])


def same_bytes(folder: Path) -> bool:
    """Whether both wrote the same files."""
    names = [f"train.{extension}" for extension in ("bin", "idx")]
    return all((folder / "stock" / name).read_bytes() == (folder / "ours" / name).read_bytes() for name in names)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=Path, required=True, metavar="DIR", help="vocabulary directory")
    parser.add_argument("--text", nargs="+", required=True, metavar="FILE", help="text files; repeated to the sizes")
    parser.add_argument("--lines", type=int, nargs="+", default=[10_000, 100_000, 400_000], metavar="N", help="sizes")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of both (default: 1)")
    parser.add_argument("--only-ours", action="store_true", help="leave out the stock chain, e.g. for memory alone")
    args = parser.parse_args()
    rows: list[list[object]] = []
    for count in args.lines:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_text(args.text, count, folder / "text")
            seconds, memory = ours(args.vocab, folder / "text", folder, args.workers)
            row: list[object] = [count, f"{seconds:.1f}", f"{memory:.0f}"]
            if not args.only_ours:
                stock_seconds, stock_memory = stock_chain(args.vocab, folder / "text", folder, args.workers)
                same = "same" if same_bytes(folder) else "DIFFERENT"
                row += [f"{stock_seconds:.1f}", f"{stock_memory:.0f}", f"{stock_seconds / seconds:.1f}x", same]
            rows.append(row)
    headers = ["lines", "seconds", "MiB", "stock seconds", "stock MiB", "faster", "bytes"]
    print_table(headers[: len(rows[0])], rows)


if __name__ == "__main__":
    main()
