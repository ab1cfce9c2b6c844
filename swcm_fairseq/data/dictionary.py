"""fairseq's dictionary for the tasks: a vocabulary's pieces, ``<mask>`` and language tokens."""

from fairseq.data import Dictionary

from swcm_fairseq.data.piece_list import PieceList, SpecialSymbols


class MultilingualDictionary(Dictionary, SpecialSymbols):
    """fairseq's dictionary; the text of ids leaves the language tokens out, as fairseq's leaves out ``<s>``."""

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
