"""Filters that look at a single line: length, letters, boilerplate, script, language."""

from dataclasses import dataclass, field
from functools import cache

import regex

from swcm_fairseq.data.identification import NONE, UNKNOWN, identify
from swcm_fairseq.data.languages import language

_LETTER = regex.compile(r"\p{L}")
# An e-mail address starts at a word boundary and its local part ends at the first "@": linear time without spaces.
_LINK = regex.compile(r"(?:https?://|www\.)\S+|(?<!\S)\S[^\s@]*@\S+\.\S+")

# The language identifier is not applied to shorter text, and reads only the beginning of longer text.
MIN_IDENTIFIED_CHARS, MAX_IDENTIFIED_CHARS = 20, 2000


@dataclass
class LineFilters:
    """The filters to apply to a line; each returns a reason to leave it out, or None.

    Attributes:
        steps: names of the filters to apply (keys of :data:`FILTERS`).
        min_chars: minimum number of characters of a line.
        min_script: minimum share of letters in the language's scripts, 0 to 1.
        boilerplate: patterns of lines to leave out.
    """

    steps: tuple[str, ...]
    min_chars: int = 1
    min_script: float = 0.5
    boilerplate: list[str] = field(default_factory=list)

    def reason(self, text: str, lang: str) -> str | None:
        """The reason given by the first filter that leaves the line out, or None."""
        if not text:
            return "blank"
        return next((found for name in self.steps if (found := FILTERS[name](self, text, lang))), None)

    def length(self, text: str, _: str) -> str | None:
        """Fewer than ``min_chars`` characters."""
        return "too short" if len(text) < self.min_chars else None

    def letters(self, text: str, _: str) -> str | None:
        """No letters, only numbers and symbols."""
        return None if _LETTER.search(text) else "no letters"

    def boiler(self, text: str, _: str) -> str | None:
        """Only links and e-mail addresses, or a match of one of the patterns."""
        if _LINK.search(text) and not _LETTER.search(_LINK.sub("", text)):
            return "boilerplate"
        return "boilerplate" if any(regex.search(pattern, text) for pattern in self.boilerplate) else None

    def script(self, text: str, lang: str) -> str | None:
        """Too few letters in the language's scripts; lines in languages without a table entry pass."""
        scripts = language(lang).scripts
        letters = len(_LETTER.findall(text))
        if not scripts or not letters:
            return None
        return "another script" if in_scripts(text, scripts) < self.min_script * letters else None

    def identified(self, text: str, lang: str) -> str | None:
        """The offline language identifier is confident that the line is in another language."""
        accepted = language(lang).cld2
        if not accepted or len(text) < MIN_IDENTIFIED_CHARS:
            return None
        found = identify(text[:MAX_IDENTIFIED_CHARS], sure=True)
        return None if found in (*accepted, UNKNOWN, NONE) else f"another language ({found})"


FILTERS = {
    "length": LineFilters.length,
    "letters": LineFilters.letters,
    "boilerplate": LineFilters.boiler,
    "script": LineFilters.script,
    "language": LineFilters.identified,
}


def unfit_steps(steps: tuple[str, ...], lang: str) -> list[str]:
    """Those of ``steps`` that let every line of a language pass because the language table lacks the data they need."""
    unknown = {"script": not language(lang).scripts, "language": not language(lang).cld2}
    return [step for step in steps if unknown.get(step)]


@cache
def _letters_of(scripts: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile("|".join(rf"(?=\p{{L}})\p{{Script={script}}}" for script in scripts))


def in_scripts(text: str, scripts: tuple[str, ...]) -> int:
    """Number of letters of ``text`` in any of the scripts."""
    return len(_letters_of(scripts).findall(text))
