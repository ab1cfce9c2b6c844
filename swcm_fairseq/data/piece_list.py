"""``dict.txt`` without fairseq, so that commands without a model read and write it in milliseconds."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TextIO

from swcm_fairseq.errors import InputError

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")  # fairseq's, with the ids 0 to 3
_OVERWRITE = " #fairseq:overwrite"  # at the end of a line: the symbol may occur a second time


class SpecialSymbols(ABC):
    """Where the pieces of a dictionary end and ``<mask>`` and the language tokens begin.

    Attributes:
        language_ids: ids of the language tokens.
    """

    language_ids: frozenset[int] = frozenset()
    _num_pieces: int | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def num_pieces(self) -> int:
        """Number of symbols before ``<mask>`` and the language tokens, fairseq's specials included."""
        return len(self) if self._num_pieces is None else self._num_pieces

    @num_pieces.setter
    def num_pieces(self, number: int) -> None:
        self._num_pieces = number


class PieceList(SpecialSymbols):
    """The symbols of a dictionary, under the names that fairseq's dictionary uses.

    Attributes:
        symbols: symbols by id, the four specials first.
        count: the count of each symbol in ``dict.txt``.
        indices: symbol -> id.
        nspecial: number of specials.
    """

    nspecial = len(SPECIALS)

    def __init__(self) -> None:
        self.symbols = list(SPECIALS)
        self.count = [1] * self.nspecial
        self.indices = {symbol: i for i, symbol in enumerate(SPECIALS)}

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.indices

    def __getitem__(self, number: int) -> str:
        return self.symbols[number] if number < len(self.symbols) else SPECIALS[self.unk()]

    def index(self, symbol: str) -> int:
        """The id of a symbol, or of ``<unk>`` if the symbol is unknown."""
        return self.indices.get(symbol, self.unk())

    def bos(self) -> int:
        """The id of ``<s>``."""
        return 0

    def pad(self) -> int:
        """The id of ``<pad>``."""
        return 1

    def eos(self) -> int:
        """The id of ``</s>``."""
        return 2

    def unk(self) -> int:
        """The id of ``<unk>``."""
        return 3

    def add_symbol(self, symbol: str, n: int = 1, overwrite: bool = False) -> int:
        """Append a symbol, or add ``n`` to its count if it exists; returns its id."""
        number = self.indices.get(symbol)
        if number is not None and not overwrite:
            self.count[number] += n
            return number
        self.indices[symbol] = len(self.symbols)
        self.symbols.append(symbol)
        self.count.append(n)
        return self.indices[symbol]

    def save(self, place: str | TextIO) -> None:
        """Write a ``SYMBOL COUNT`` line for each symbol except the specials, as fairseq does; raises OSError."""
        if isinstance(place, str):
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            with open(place, "w", encoding="utf-8") as file:
                return self.save(file)
        for symbol, count in zip(self.symbols[self.nspecial :], self.count[self.nspecial :], strict=True):
            place.write(f"{symbol} {count}\n")

    @classmethod
    def load(cls, path: Path) -> "PieceList":
        """Read ``dict.txt``; raises :class:`InputError` for a malformed line or a symbol that occurs twice."""
        pieces = cls()
        try:
            with open(path, encoding="utf-8") as file:
                lines = list(file)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not a fairseq dictionary: not UTF-8") from error
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        for number, line in enumerate(lines, start=1):
            try:
                pieces._add_line(line)
            except ValueError as error:
                raise InputError(f"{path}:{number}: not a fairseq dictionary: {error}") from error
        return pieces

    def _add_line(self, line: str) -> None:
        text = line.rstrip()
        overwrite = text.endswith(_OVERWRITE)
        symbol, space, count = text.removesuffix(_OVERWRITE).rpartition(" ")
        if not space or not count.lstrip("-").isdecimal():
            raise ValueError(f"each line must contain a symbol and its count, not {text!r}")
        if symbol in self.indices and not overwrite:
            raise ValueError(f"{symbol!r} occurs a second time")
        self.add_symbol(symbol, int(count), overwrite)
