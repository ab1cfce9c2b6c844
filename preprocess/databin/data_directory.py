"""The data directory that binarization writes: its vocabulary, its ``corpora.json``, and its lock."""

import re
from contextlib import ExitStack
from pathlib import Path

from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora, Corpus, Split
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary, checksum, load_dictionary
from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import cannot_write, copy_whole, locked_directory, remove_left_overs

from .corpus_specs import SPLIT_NAME

_DATA_FILE = re.compile(rf"{SPLIT_NAME.pattern}\.(.+\.)?(bin|idx)", SPLIT_NAME.flags)


class DataBin:
    """A data directory, opened to add corpora; a context manager that holds its lock.

    Args:
        directory: the directory; created if missing.
        vocabulary: the vocabulary, which must be the one that the directory was made with.

    Raises:
        InputError: the directory was made with another vocabulary, is being written by another process, or is not
            writable.
    """

    def __init__(self, directory: Path | str, vocabulary: Vocabulary):
        self.directory = Path(directory)
        self._vocabulary = vocabulary
        self._stack = ExitStack()

    def __enter__(self) -> "DataBin":
        with ExitStack() as stack:
            stack.enter_context(locked_directory(self.directory))
            try:
                self._open()
            except OSError as error:
                raise cannot_write(self.directory, error) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        was_ours = (self.directory / DICT_FILE).exists()
        self.corpora = self._read_corpora()
        self._put_vocabulary()
        if was_ours:
            self._remove_left_overs()

    def _remove_left_overs(self) -> None:
        """Remove half-written files of a killed run; keep files with other names and folders of other data."""
        folders = [each for each in self.directory.iterdir() if each.is_dir() and not (each / DICT_FILE).exists()]
        for folder in (self.directory, *folders):
            remove_left_overs(folder, _DATA_FILE)

    def _read_corpora(self) -> Corpora:
        if not (self.directory / CORPORA_FILE).exists():
            return Corpora(self._vocabulary.checksum, len(self._vocabulary.dictionary))
        corpora = Corpora.read(self.directory)
        self._check_same(corpora.vocabulary_checksum)
        return corpora

    def _check_same(self, found: str) -> None:
        if found != self._vocabulary.checksum:
            raise InputError(
                f"{self.directory}: made with another vocabulary (checksum {found[:12]}) than "
                f"{self._vocabulary.directory} (checksum {self._vocabulary.checksum[:12]}); "
                "use the same vocabulary or another output directory"
            )

    def _put_vocabulary(self) -> None:
        """Copy the two vocabulary files, or check that existing ones are the same."""
        dictionary, model = self.directory / DICT_FILE, self.directory / SENTENCEPIECE_FILE
        if dictionary.exists():
            self._check_same(checksum(load_dictionary(dictionary)))
        else:
            copy_whole(self._vocabulary.directory / DICT_FILE, dictionary)
        source = self._vocabulary.directory / SENTENCEPIECE_FILE
        if model.exists() and model.read_bytes() != source.read_bytes():
            raise InputError(
                f"{model}: differs from {source}, so the same text could be encoded differently; "
                "use the vocabulary this directory was made with or another output directory"
            )
        if not model.exists():
            copy_whole(source, model)

    def find(self, corpus: Corpus | None) -> Corpus | None:
        """The recorded corpus with the name of ``corpus``, if any; plain text (None) is never recorded."""
        name = corpus.name if corpus else None
        return next((there for there in self.corpora.corpora if there.name == name), None)

    def check_fits(self, corpus: Corpus | None) -> None:
        """Raise :class:`InputError` if a corpus with the same name but other languages already exists."""
        there = self.find(corpus)
        if corpus is None or there is None:
            return
        if (there.kind, there.source_lang, there.target_lang) != (corpus.kind, corpus.source_lang, corpus.target_lang):
            raise InputError(
                f"{self.directory / CORPORA_FILE}: already has a corpus {corpus.name!r} of {there.kind} "
                f"{there.source_lang}-{there.target_lang}, not {corpus.kind} "
                f"{corpus.source_lang}-{corpus.target_lang}; give another name or another output directory"
            )

    def remove(self, corpus: Corpus | None, split: str) -> None:
        """Remove the record of a split before its files are replaced."""
        there = self.find(corpus)
        if there is not None and there.splits.pop(split, None) is not None:
            self.corpora.write(self.directory)

    def put(self, corpus: Corpus | None, split: str, content: Split) -> None:
        """Record a split whose files are complete; keep corpora sorted by kind and name."""
        there = self.find(corpus)
        if there is None and corpus is not None:
            there = Corpus(corpus.name, corpus.kind, corpus.source_lang, corpus.target_lang)
            self.corpora.corpora.append(there)
            self.corpora.corpora.sort(key=lambda each: (each.kind, each.name))
        if there is not None:
            there.splits = dict(sorted({**there.splits, split: content}.items()))
        self.corpora.write(self.directory)
