"""The dictionary that tasks use: fairseq's, with the pieces of a vocabulary, ``<mask>`` and language tokens."""

from fairseq.data import Dictionary

from swcm_fairseq.data.piece_list import PieceList, SpecialSymbols


class MultilingualDictionary(Dictionary, SpecialSymbols):
    """fairseq's dictionary; :meth:`string` omits language tokens just as fairseq omits ``<s>``."""

    @classmethod
    def of(cls, pieces: PieceList) -> "MultilingualDictionary":
        """A fairseq dictionary with the symbols of ``pieces``."""
        dictionary = cls()
        dictionary.symbols, dictionary.count = list(pieces.symbols), list(pieces.count)
        dictionary.indices = dict(pieces.indices)
        return dictionary

    def string(self, tensor, *args, extra_symbols_to_ignore=None, **kwargs) -> str:
        """As in fairseq, without language tokens."""
        ignored = self.language_ids.union(extra_symbols_to_ignore or ())
        return super().string(tensor, *args, extra_symbols_to_ignore=ignored, **kwargs)
