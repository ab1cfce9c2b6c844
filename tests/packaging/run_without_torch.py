"""Run every command's help and the chain from text to scores without torch and fairseq, in a separate process."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

FORBIDDEN = ("torch", "fairseq", "preprocess")


class Refused:
    """The first import finder, which fails for forbidden modules."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise :class:`AssertionError` for forbidden modules."""
        if name.partition(".")[0] in FORBIDDEN:
            raise AssertionError(f"{name} is imported")


SAMPLE = Path(sys.argv[1])
sys.meta_path.insert(0, Refused())  # type: ignore[arg-type]
sys.argv = ["/usr/bin/swcm"]

from swcm_fairseq import cli  # noqa: E402


def call(*arguments: str) -> str:
    """Run a command, which must succeed; return its output."""
    sys.argv = ["/usr/bin/swcm", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            cli.run()
        except SystemExit as end:
            assert not end.code, arguments
    return output.getvalue()


def chain(sample: Path) -> Iterator[str]:
    """From text to ids to statistics, and to scores."""
    text = f"bo={sample / 'mono.bo.train.txt'}"
    yield call("clean", "--lang", "bo", "--input", str(sample / "mono.bo.train.txt"), "--output", "bo.txt")
    yield call("sentences", "--lang", "bo", "--input", "bo.txt", "--output", "sentences.txt")
    yield call("vocab", "--input", text, "--size", "300", "--output", "vocab")
    yield call("vocab-extend", "--vocab", "vocab", "--input", text, "--size", "400", "--output", "extended")
    yield call("vocab-prune", "--vocab", "extended", "--input", text, "--output", "pruned")
    yield call("binarize", "--vocab", "pruned", "--output", "data-bin", "--mono", "bo:train=bo.txt")
    yield call("stats", "data-bin")
    titles = str(sample / "title.bo.test.title")
    call("score", "--ref", titles, "--hyp", titles, "--lang", "bo", "--bootstrap", "10", "--output", "scores.txt")
    yield Path("scores.txt").read_text("utf-8")


if __name__ == "__main__":
    print(cli.overview())
    for name in cli.COMMANDS:
        text = call(name, "--help")
        assert text.startswith(f"usage: swcm {name} "), text
    for text in chain(SAMPLE):
        assert text
    print("all commands ran")
