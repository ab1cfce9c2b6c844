"""fairseq's dictionary for the tasks: a vocabulary's pieces, ``<mask>`` and language tokens."""

from fairseq.data import Dictionary

from swcm_fairseq.data.piece_list import PieceList


class MultilingualDictionary(Dictionary):
    """fairseq's dictionary; the text of ids leaves the language tokens out, as fairseq's leaves out ``<s>``."""

    language_ids: frozenset[int] = frozenset()
    _num_pieces: int | None = None

    @property
    def num_pieces(self) -> int:
        """Symbols before ``<mask>`` and the language tokens, fairseq's specials included."""
        return len(self) if self._num_pieces is None else self._num_pieces

    @num_pieces.setter
    def num_pieces(self, number: int) -> None:
        self._num_pieces = number

    @classmethod
    def of(cls, pieces: PieceList) -> "MultilingualDictionary":
        """fairseq's view of the same symbols."""
        dictionary = cls()
        dictionary.symbols, dictionary.count = list(pieces.symbols), list(pieces.count)
        dictionary.indices = dict(pieces.indices)
        return dictionary

    def string(self, tensor, *args, extra_symbols_to_ignore=None, **kwargs) -> str:
        """As fairseq's."""
        ignored = self.language_ids.union(extra_symbols_to_ignore or ())
        return super().string(tensor, *args, extra_symbols_to_ignore=ignored, **kwargs)
