"""Reasons to leave a line out that depend on the line alone: no letters, boilerplate, script, language, length."""

from dataclasses import dataclass, field
from functools import cache

import regex

from swcm_fairseq.data.identification import NONE, UNKNOWN, identify
from swcm_fairseq.data.languages import language

_LETTER = regex.compile(r"\p{L}")
# An address begins where a word does and its name ends at the first "@", so that text without spaces is read once.
_LINK = regex.compile(r"(?:https?://|www\.)\S+|(?<!\S)\S[^\s@]*@\S+\.\S+")

# Shorter text is not judged by the identifier, and of longer text the beginning is enough.
MIN_IDENTIFIED_CHARS, MAX_IDENTIFIED_CHARS = 20, 2000


@dataclass
class LineFilters:
    """Which filters look at a line; each gives a reason or None.

    Attributes:
        steps: names of the filters that are on (keys of :data:`FILTERS`).
        min_chars: shorter lines are left out.
        min_script: least share of letters in the language's scripts, 0 to 1.
        boilerplate: lines in which one of these patterns is found are left out.
    """

    steps: tuple[str, ...]
    min_chars: int = 1
    min_script: float = 0.5
    boilerplate: list[str] = field(default_factory=list)

    def reason(self, text: str, lang: str) -> str | None:
        """The name of the first filter that leaves the line out, with its finding, or None."""
        if not text:
            return "blank"
        return next((found for name in self.steps if (found := FILTERS[name](self, text, lang))), None)

    def length(self, text: str, _: str) -> str | None:
        """Fewer than ``min_chars`` characters."""
        return "too short" if len(text) < self.min_chars else None

    def letters(self, text: str, _: str) -> str | None:
        """No letter in it: numbers and signs alone."""
        return None if _LETTER.search(text) else "no letters"

    def boiler(self, text: str, _: str) -> str | None:
        """Links and addresses alone, or one of the patterns."""
        if _LINK.search(text) and not _LETTER.search(_LINK.sub("", text)):
            return "boilerplate"
        return "boilerplate" if any(regex.search(pattern, text) for pattern in self.boilerplate) else None

    def script(self, text: str, lang: str) -> str | None:
        """Too few letters in the language's scripts; languages that are not in the table pass."""
        scripts = language(lang).scripts
        letters = len(_LETTER.findall(text))
        if not scripts or not letters:
            return None
        return "another script" if in_scripts(text, scripts) < self.min_script * letters else None

    def identified(self, text: str, lang: str) -> str | None:
        """The offline identifier is sure that it is another language."""
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
    """Those of ``steps`` that let every line of a language pass, since there is nothing to judge it by."""
    unknown = {"script": not language(lang).scripts, "language": not language(lang).cld2}
    return [step for step in steps if unknown.get(step)]


@cache
def _letters_of(scripts: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile("|".join(rf"(?=\p{{L}})\p{{Script={script}}}" for script in scripts))


def in_scripts(text: str, scripts: tuple[str, ...]) -> int:
    """Letters of ``text`` in one of the scripts."""
    return len(_letters_of(scripts).findall(text))
