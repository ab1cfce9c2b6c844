"""Pairs: two plain files, OPUS, TMX, the Tibetan-Chinese SFT pairs, JSON lines."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from swcm_fairseq.errors import InputError

from ..steps.ledger import Reason, Reject
from ..text.text_files import TextFile
from .records import Pair, Record
from .source import Item, PairMaker, Source, json_lines, numbered_lines, side_by_side


def plain_pairs(source: Source) -> Iterator[Item]:
    """Two plain text files with as many lines: source, then target. OPUS's Moses files, FLORES and the like."""
    langs = source.pair
    return side_by_side(source, lambda where, one, other: Pair(where, *langs, one, other))


def json_pairs(source: Source) -> Iterator[Item]:
    """JSON lines with a field a language (``{"zh": ..., "bo": ...}``), or as ``--fields`` says."""
    return json_lines(source, PairMaker.of(source))


_SFT = re.compile(r"Source:(.*?)Target:(.*)", re.DOTALL)


def sft_pairs(source: Source) -> Iterator[Item]:
    """Tibetan-Chinese SFT pairs (shajiu): ``Source:<text>Target:<text>`` in one line, without a tab."""
    langs = source.pair
    for path, number, line in numbered_lines(source):
        match = _SFT.fullmatch(line.strip())
        if isinstance(line, Reason):
            yield Reject(str(path), number, line)
        elif match is None or match[2].count("Target:"):
            yield Reject(str(path), number, "not Source:...Target:...")
        else:
            yield Pair((str(path), number), *langs, match[1].strip(), match[2].strip())


_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def tmx(source: Source) -> Iterator[Item]:
    """TMX: ``<tu>`` units with a ``<tuv xml:lang=..>`` a language; ``zh-CN`` counts as ``zh``. Read unit by unit."""
    langs = source.pair
    for path in source.paths:
        file = TextFile(path, 0)
        number = 0
        try:
            for _, element in iterparse(_Stream(file), forbid_dtd=False):
                if element.tag.endswith("tu"):
                    number += 1
                    yield _unit((str(path), number), element, langs)
                    element.clear()
        except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
            raise InputError(f"{path}: not TMX: {error}") from error
        finally:
            file.close()


def _unit(where: tuple[str, int], unit: Element, langs: tuple[str, str]) -> Record | Reject:
    segments: dict[str, str] = {}
    for variant in unit:
        code = (variant.get(_LANG) or variant.get("lang") or "").replace("_", "-").lower()
        segment = variant.find("seg")
        if segment is not None:
            text = "".join(segment.itertext())
            segments.setdefault(code, text)
            segments.setdefault(code.split("-")[0], text)
    missing = [lang for lang in langs if lang.replace("_", "-").lower() not in segments]
    if missing:
        return Reject(*where, f"no segment in {missing[0]}")
    return Pair(where, *langs, *(segments[lang.replace("_", "-").lower()] for lang in langs))


class _Stream:
    """The unpacked bytes of a file, as the XML parser reads them."""

    def __init__(self, file: TextFile):
        self._chunks = file.chunks()

    def read(self, _: int) -> bytes:
        """The next piece; its size is the file's business."""
        return next(self._chunks, b"")
