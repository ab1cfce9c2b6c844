"""Read a text classification set as it is published and write a data directory for fine-tuning.

TNCC, WCM, CMNews (CINO, Yang et al. 2022) and YNAT (KLUE). The directory has the layout of fairseq's
``sentence_prediction`` task, with a test split for each language.
"""

import argparse
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from fairseq.data import Dictionary
from tqdm import tqdm

from swcm_fairseq.data.labelled_directory import CLASSIFICATION_FILE, INPUT, LABEL, Classification
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, run_command

from .databin.indexed_files import IndexedWriter, commit
from .readers.labelled import SETS, ClassificationSet, Example, Part, split_in_parts
from .steps.ledger import Ledger, Reject
from .steps.terminal import print_next, print_table
from .text.text_files import DEFAULT_ENCODING, contains_ascii

_BLOCK = 1000  # texts that are encoded together


@dataclass
class LabelledSplit:
    """The examples of one split.

    Attributes:
        languages: (language, examples), in the order of the texts.
        texts: to be encoded.
        labels: class of each text.
        ledger: what was read and left out.
    """

    languages: list[tuple[str, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def add(self, lang: str, examples: list[tuple[str, int]]) -> None:
        """Append the (text, class) of a language."""
        self.languages.append((lang, len(examples)))
        self.texts += [text for text, _ in examples]
        self.labels += [label for _, label in examples]


@dataclass
class Reader:
    """Reads one set.

    Attributes:
        kind: which set.
        encoding: of its files.
        keep_spaces: leave spaces between words where the set is published with them.
        seed: of the split, where none is published.
    """

    kind: ClassificationSet
    encoding: str = DEFAULT_ENCODING
    keep_spaces: bool = False
    seed: int = 1

    def splits(self, place: Path) -> dict[str, LabelledSplit]:
        """All splits; raises :class:`InputError` for an unknown or missing label or a language without examples."""
        found = {}
        for name, parts in self.kind.find(place).items():
            found[name] = split = LabelledSplit()
            for part in parts:
                examples = self._examples(part, split.ledger)
                if name == "all":
                    return self._divided(examples, split.ledger)
                split.add(part.lang, [self._prepared(example) for example in examples])
        return found

    def _divided(self, examples: list[Example], ledger: Ledger) -> dict[str, LabelledSplit]:
        found = {}
        for name, chosen in split_in_parts(examples, self.seed).items():
            found[name] = LabelledSplit()
            found[name].add("bo", [self._prepared(example) for example in chosen])
            found[name].ledger.add(len(chosen), len(chosen), [])
        found["train"].ledger.add(ledger.left_out.total(), 0, [Reject("", 0, r) for r in ledger.left_out.elements()])
        return found

    def _examples(self, part: Part, ledger: Ledger) -> list[Example]:
        items = list(self.kind.read(part.path, self.encoding))
        examples = [item for item in items if isinstance(item, Example)]
        ledger.add(len(items), len(examples), [item for item in items if isinstance(item, Reject)])
        if not examples:
            raise InputError(f"{part.path}: no example in {part.lang} ({ledger.describe()}); a language needs data")
        return examples

    def _prepared(self, example: Example) -> tuple[str, int]:
        text = example.text
        if self.kind.joined_words and not self.keep_spaces:
            text = text.replace(" ", "")
        return text, self.kind.label(example)


def with_classes(kind: ClassificationSet, names: str | None) -> ClassificationSet:
    """``kind``, with other classes if they are named; raises :class:`InputError` for fewer than two or equal ones."""
    if names is None:
        return kind
    classes = tuple(name.strip() for name in names.split(","))
    if len(classes) < 2 or len(set(classes)) < len(classes) or not all(classes):
        raise InputError(f"--classes {names}: name at least two different classes, separated by commas")
    return replace(kind, classes=classes, aliases={})


def check_classes(kind: ClassificationSet, train: LabelledSplit) -> None:
    """Raise :class:`InputError` if a class has no training example."""
    seen = Counter(train.labels)
    empty = [f"{number} {name}" for number, name in enumerate(kind.classes) if not seen[number]]
    if empty:
        raise InputError(
            f"--classes: no training example of {kind.name} has the class {', '.join(empty)}; add some, or name the "
            "classes that there are"
        )


def write_split(directory: Path, name: str, split: LabelledSplit, vocabulary: Vocabulary, classes: int) -> None:
    """Write ``input0/<name>`` and ``label/<name>``; each text and each label is ended by ``</s>``."""
    eos, first = vocabulary.dictionary.eos(), vocabulary.dictionary.nspecial
    with ExitStack() as stack:
        text = IndexedWriter(directory / INPUT / name, len(vocabulary.dictionary))
        stack.callback(text.abort)
        label = IndexedWriter(directory / LABEL / name, first + classes)
        stack.callback(label.abort)
        for start in tqdm(range(0, len(split.texts), _BLOCK), desc=name, leave=False, disable=None):
            ids = [np.append(line, eos) for line in vocabulary.encode(split.texts[start : start + _BLOCK])]
            text.add(np.concatenate(ids).astype(text.dtype).tobytes(), np.array([len(line) for line in ids]))
        labels = np.array([(first + number, eos) for number in split.labels])
        label.add(labels.astype(label.dtype).tobytes(), np.full(len(labels), 2))
        commit([text, label])


def write_directory(
    kind: ClassificationSet, splits: dict[str, LabelledSplit], vocabulary: Vocabulary, directory: Path
) -> None:
    """Write the data directory; its ``classification.json`` comes last and makes it complete."""
    try:
        (directory / CLASSIFICATION_FILE).unlink(missing_ok=True)
        for name, split in splits.items():
            write_split(directory, name, split, vocabulary, len(kind.classes))
        shutil.copyfile(vocabulary.directory / DICT_FILE, directory / INPUT / DICT_FILE)
        shutil.copyfile(vocabulary.directory / SENTENCEPIECE_FILE, directory / SENTENCEPIECE_FILE)
        labels = Dictionary()
        for number in range(len(kind.classes)):
            labels.add_symbol(str(number))
        labels.save(str(directory / LABEL / DICT_FILE))
        languages = {name: split.languages for name, split in splits.items()}
        Classification(kind.name, list(kind.classes), languages).write(directory)
    except OSError as error:
        raise InputError(
            f"{error.filename or directory}: {error.strerror}; make room or give another --output"
        ) from error


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.classification``."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.classification", description=__doc__)
    layouts = "; ".join(f"{name}: {kind.layout}" for name, kind in SETS.items())
    parser.add_argument("set", choices=SETS, help="which set")
    parser.add_argument("place", type=Path, metavar="PLACE", help=f"where it lies. {layouts}")
    parser.add_argument("--vocab", type=Path, required=True, help="directory of the encoder, with its vocabulary")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="data directory to write")
    parser.add_argument("--encoding", default=DEFAULT_ENCODING, help="of the files (default: %(default)s)")
    parser.add_argument("--keep-spaces", action="store_true", help="TNCC: keep the spaces between words")
    parser.add_argument("--seed", type=int, default=1, help="of TNCC's split into 8:1:1 (default: %(default)s)")
    parser.add_argument(
        "--classes",
        metavar="NAME,...",
        help="names of the classes 0, 1, ..., for a set of your own in the same layout (default: the published ones)",
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    if not contains_ascii(args.encoding):
        raise InputError(f"--encoding {args.encoding}: not a known encoding that contains ASCII; give utf-8 or gb18030")
    kind = with_classes(SETS[args.set], args.classes)
    vocabulary = Vocabulary(args.vocab)
    splits = Reader(kind, args.encoding, args.keep_spaces, args.seed).splits(args.place)
    check_classes(kind, splits["train"])
    write_directory(kind, splits, vocabulary, args.output)
    rows = []
    for name, split in splits.items():
        langs = " ".join(dict.fromkeys(lang for lang, _ in split.languages))
        rows.append([name, langs, len(split.texts), len(set(split.labels)), split.ledger.describe()])
    print_table(["split", "languages", "examples", "classes", "left out"], rows)
    print_next(
        f"fairseq-train {args.output} --user-dir $(python -m swcm_fairseq) --task multilingual_classification "
        "--criterion multilingual_classification ..."
    )


if __name__ == "__main__":
    run_command(main)
