"""The commands that a Markdown page tells its reader to type."""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAM = r"(?:python3?|fairseq-[a-z]+|swcm|torchrun|make|pip|sbatch|srun|bash|sh|examples/\S+)"
_TYPED = re.compile(rf"^\s*(?:\$ )?(?:[A-Z_]+=\S* )*{_PROGRAM} ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line on the page, the language after the fence, and its content."""

    line: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    return [
        Block(text.count("\n", 0, match.start("text")) + 1, match["language"], match["text"])
        for match in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """The commands of a ``sh`` block: a backslash continues on the next line; comments and blank lines are skipped."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def overlooked(page: Path) -> list[str]:
    """Lines that look like commands but are in a block that no test runs."""
    text = page.read_text("utf-8")
    elsewhere = [block.text for block in blocks(page) if block.language not in ("sh", "python")]
    indented = re.findall(r"^    .*$", _FENCE.sub("", text), re.MULTILINE)
    return [line for part in [*elsewhere, *indented] for line in part.splitlines() if _TYPED.match(line)]
