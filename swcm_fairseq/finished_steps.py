"""Resuming: a finished step is not repeated, unless its settings or inputs have changed or its outputs are missing.

Preprocessing, the study and the recipes (``swcm step``) record their steps with this module. Within a step, a command
may resume in its own way: a training run continues from its checkpoints.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import exists
from swcm_fairseq.output_files import write_whole


@dataclass(frozen=True)
class Step:
    """Work that is done once.

    Attributes:
        record: the JSON file that is written when the step is done.
        title: the name of the step in messages.
        settings: plain data that the result depends on, besides the files that are read.
        reads: the files and folders that the step reads.
        writes: the files and folders that the step leaves behind.
    """

    record: Path
    title: str
    settings: Sequence[object]
    reads: Sequence[Path] = ()
    writes: Sequence[Path] = ()

    def is_done(self) -> bool:
        """Whether the step was done with these settings and inputs, and its outputs exist; if so, prints a line."""
        there = all(exists(path) for path in self.writes) and exists(self.record) and self.record.is_file()
        done = there and self.record.read_bytes() == self._state()
        if done:
            print(f"[{self.title}] done before, skipped", flush=True)
        return done

    def do(self, work: Callable[[], object]) -> None:
        """Do the work and record it, unless it was done before."""
        if self.is_done():
            return
        state = self._state()
        self.record.unlink(missing_ok=True)  # the outputs no longer match it, even if the work fails
        work()
        write_whole(self.record, state)

    def _state(self) -> bytes:
        inputs = [[str(path), *_version(path)] for path in self.reads]
        return json.dumps([self.settings, inputs], default=str).encode("utf-8")


def _version(path: Path) -> tuple[int | str, ...]:
    """The size and time of a file; for a folder, the number of its files and a hash of their sizes and times."""
    if not exists(path):
        return ()
    if not path.is_dir():
        return path.stat().st_size, path.stat().st_mtime_ns
    files = sorted(file for file in path.rglob("*") if file.is_file())
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file}\0{file.stat().st_size}\0{file.stat().st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return len(files), whole.hexdigest()
