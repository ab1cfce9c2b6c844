"""Read a text classification set in its published form and write a data directory for fine-tuning.

The sets are TNCC, WCM, CMNews (CINO, Yang et al. 2022) and YNAT (KLUE). The directory has the layout of fairseq's
``sentence_prediction`` task, with one test split per language.
"""

import argparse
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.labelled_directory import CLASSIFICATION_FILE, INPUT, LABEL, Classification
from swcm_fairseq.data.piece_list import PieceList
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.options import option

from .databin.indexed_files import IndexedWriter, commit
from .readers.labelled import SETS, ClassificationSet, Example, Part, split_in_parts
from .steps.ledger import Ledger, Reject
from .steps.schema import Rule, add_options, parsed
from .steps.terminal import print_next, print_table
from .text.reading_options import ENCODING
from .text.text_files import DEFAULT_ENCODING

_BLOCK = 1000  # texts encoded at a time


def split_names(text: str) -> list[str]:
    """``news, sport`` -> ["news", "sport"]."""
    return [name.strip() for name in text.split(",")]


@dataclass
class LabelledSplit:
    """The examples of one split.

    Attributes:
        languages: (language, number of examples), in the order of the texts.
        texts: the texts.
        labels: class index of each text.
        ledger: counts of what was read and left out.
    """

    languages: list[tuple[str, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def add(self, lang: str, examples: list[tuple[str, int]]) -> None:
        """Append the (text, class index) examples of a language."""
        self.languages.append((lang, len(examples)))
        self.texts += [text for text, _ in examples]
        self.labels += [label for _, label in examples]


@dataclass
class ClassificationOptions:
    """How a set is read."""

    encoding: str = option(DEFAULT_ENCODING, "encoding of the files", metavar="NAME", rule=ENCODING)
    keep_spaces: bool = option(False, "TNCC: keep the spaces between words")
    seed: int = option(1, "random seed of TNCC's 8:1:1 split", metavar="N")
    classes: list[str] | None = option(
        None,
        "names of the classes 0, 1, ..., for your own set in the same layout (default: the published names)",
        metavar="NAME,...",
        parse=split_names,
        rule=Rule(
            "name at least two different classes, separated by commas",
            lambda names: len(names) > 1 and len(set(names)) == len(names) and all(names),
        ),
    )


@dataclass
class LabelledReader:
    """Reads one set.

    Attributes:
        kind: the set.
        options: how to read it.
    """

    kind: ClassificationSet
    options: ClassificationOptions

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
        for name, chosen in split_in_parts(examples, self.options.seed).items():
            found[name] = LabelledSplit()
            found[name].add("bo", [self._prepared(example) for example in chosen])
            found[name].ledger.add(len(chosen), len(chosen), [])
        found["train"].ledger.add(ledger.left_out.total(), 0, [Reject("", 0, r) for r in ledger.left_out.elements()])
        return found

    def _examples(self, part: Part, ledger: Ledger) -> list[Example]:
        items = list(self.kind.read(part.path, self.options.encoding))
        examples = [item for item in items if isinstance(item, Example)]
        ledger.add(len(items), len(examples), [item for item in items if isinstance(item, Reject)])
        if not examples:
            raise InputError(f"{part.path}: no examples ({ledger.describe()}); add some, or remove the file")
        return examples

    def _prepared(self, example: Example) -> tuple[str, int]:
        text = example.text
        if self.kind.joined_words and not self.options.keep_spaces:
            text = text.replace(" ", "")
        return text, self.kind.label(example)


def check_classes(kind: ClassificationSet, train: LabelledSplit) -> None:
    """Raise :class:`InputError` if a class has no training example."""
    seen = Counter(train.labels)
    empty = [f"{number} {name}" for number, name in enumerate(kind.classes) if not seen[number]]
    if empty:
        raise InputError(
            f"--classes: no training example of {kind.name} has the class {', '.join(empty)}; add examples, or name "
            "only the classes that occur"
        )


def write_split(directory: Path, name: str, split: LabelledSplit, vocabulary: Vocabulary, classes: int) -> None:
    """Write ``input0/<name>`` and ``label/<name>``; each text and each label ends with ``</s>``."""
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
    """Write the data directory; ``classification.json`` is written last, which marks the directory as complete."""
    try:
        (directory / CLASSIFICATION_FILE).unlink(missing_ok=True)
        for name, split in splits.items():
            write_split(directory, name, split, vocabulary, len(kind.classes))
        shutil.copyfile(vocabulary.directory / DICT_FILE, directory / INPUT / DICT_FILE)
        shutil.copyfile(vocabulary.directory / SENTENCEPIECE_FILE, directory / SENTENCEPIECE_FILE)
        labels = PieceList()
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
    """The command line of ``swcm classification``."""
    parser = command_parser("classification", __doc__)
    layouts = "; ".join(f"{name}: {kind.layout}" for name, kind in SETS.items())
    parser.add_argument("set", choices=SETS, help="name of the set")
    parser.add_argument("place", type=Path, metavar="PLACE", help=f"file or directory of the set. {layouts}")
    parser.add_argument("--vocab", type=Path, required=True, help="directory of the encoder and its vocabulary")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="data directory to write")
    add_options(parser, ClassificationOptions)
    return parser


def make_classification_data(
    kind: ClassificationSet, place: Path, vocab: Path, output: Path, options: ClassificationOptions
) -> dict[str, LabelledSplit]:
    """Read a set, write its data directory, and print its splits.

    Args:
        kind: the set.
        place: file or directory of the set.
        vocab: directory of the encoder and its vocabulary.
        output: data directory to write.
        options: how to read the set.

    Returns:
        the splits by name.

    Raises:
        InputError: a file is missing or damaged, a label is unknown, a language or class has no examples, or the
            directory cannot be written.
    """
    if options.classes is not None:
        kind = replace(kind, classes=tuple(options.classes), aliases={})
    vocabulary = Vocabulary(vocab)
    splits = LabelledReader(kind, options).splits(place)
    check_classes(kind, splits["train"])
    write_directory(kind, splits, vocabulary, output)
    print_splits(splits)
    return splits


def print_splits(splits: dict[str, LabelledSplit]) -> None:
    """Print one row per split."""
    rows = []
    for name, split in splits.items():
        langs = " ".join(dict.fromkeys(lang for lang, _ in split.languages))
        rows.append([name, langs, len(split.texts), len(set(split.labels)), split.ledger.describe()])
    print_table(["split", "languages", "examples", "classes", "left out"], rows)


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    options = parsed(ClassificationOptions, args)
    make_classification_data(SETS[args.set], args.place, args.vocab, args.output, options)
    print_next(
        f"fairseq-train {args.output} --user-dir $(python -m swcm_fairseq) --task multilingual_classification "
        "--criterion multilingual_classification ..."
    )


if __name__ == "__main__":
    run_command(main)
