"""A data directory of labeled text: fairseq's ``input0`` and ``label`` folders, and ``classification.json``."""

import json
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from swcm_fairseq.checked_data import checked, parse_json, read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import write_whole

CLASSIFICATION_FILE = "classification.json"
INPUT, LABEL = "input0", "label"


@dataclass
class Classification:
    """The contents of ``classification.json``.

    Attributes:
        name: name of the data set, such as ``wcm``.
        classes: class names, in label order.
        splits: split -> (language, number of examples), in the order of the examples.
    """

    name: str
    classes: list[str]
    splits: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def languages(self, split: str) -> np.ndarray:
        """The language of each example in a split; str, shape (examples,)."""
        return np.array(list(chain.from_iterable([lang] * count for lang, count in self.splits[split])))

    @property
    def tests(self) -> dict[str, str]:
        """Language -> name of its test split."""
        return {name.removeprefix("test."): name for name in self.splits if name.startswith("test.")}

    def write(self, directory: Path) -> None:
        """Write ``classification.json``, atomically."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"
        write_whole(directory / CLASSIFICATION_FILE, text.encode("utf-8"))

    @classmethod
    def read(cls, directory: Path | str) -> "Classification":
        """Read ``classification.json``; raises :class:`InputError` if it is missing or invalid."""
        path = Path(directory) / CLASSIFICATION_FILE
        if not path.exists():
            raise InputError(f"{path}: no such file; write it with swcm classification")
        return checked(parse_json(read_text(path), path), cls, str(path))
