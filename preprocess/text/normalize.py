"""Normalization steps, each selectable by name: they change how the text is written, never what it says."""

import unicodedata
from collections.abc import Callable

import regex

# Alternative encodings of letters: Arabic presentation forms, and Tibetan vowels that Unicode deprecates. NFKC is
# applied only to these, because other compatibility characters (superscripts, full width) carry a distinction.
_PRESENTATION = regex.compile(r"[\uFB50-\uFDFF\uFE70-\uFEFC\u0F77\u0F79]+")

# Tabs and everything that ends a line or page: a line of the file must be one line for every program.
_SEPARATORS = regex.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_CONTROLS = regex.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\uFFF9-\uFFFB\p{Noncharacter_Code_Point}]+")

# Bidirectional controls only affect display; the word joiner, a byte order mark inside a text and the soft hyphen carry
# no meaning either.
_MEANINGLESS = regex.compile(r"[\u00AD\u061C\u200E\u200F\u202A-\u202E\u2060\u2066-\u206F\uFEFF]+")
_ZERO_WIDTH_SPACE = regex.compile(r"\u200B+")
# Scripts without spaces between words: a zero-width space there is a hint for line breaks.
_UNSPACED_BEFORE = regex.compile(r"[\p{Han}\p{Tibetan}\p{Hiragana}\p{Katakana}]$")
# Joiners shape the letters of joining scripts and combine emoji; variation selectors and the vowel separator select the
# shape of the preceding Mongolian letter.
_JOINING = r"\p{Joining_Type=D}\p{Joining_Type=R}\p{Joining_Type=C}\uFB50-\uFDFF\uFE70-\uFEFC"
_JOINER = regex.compile(rf"(?<![{_JOINING}\p{{Extended_Pictographic}}\p{{M}}])[\u200C\u200D]+")
_MONGOLIAN_MARK = regex.compile(r"(?<!\p{Mongolian})[\u180B-\u180F]+")

_SPACES = regex.compile(r"[ \u00A0\u1680\u2000-\u200A\u205F\u3000]+")


def unicode_form(text: str) -> str:
    """Apply NFC; replace Arabic presentation forms and deprecated Tibetan vowels with base letters."""
    return unicodedata.normalize("NFC", _PRESENTATION.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text))


def controls(text: str) -> str:
    """Replace tabs, line ends and separators with a space; remove other control characters."""
    return _CONTROLS.sub("", _SEPARATORS.sub(" ", text))


def invisible(text: str) -> str:
    """Remove zero-width and bidirectional characters where they carry no meaning.

    Kept: joiners after a joining letter (Arabic, Mongolian) or an emoji; the Mongolian vowel separator and variation
    selectors after a Mongolian letter; the narrow no-break space. A zero-width space becomes a space, except after
    scripts that do not put spaces between words (Han, Tibetan, kana), where it is removed.
    """
    text = _MEANINGLESS.sub("", text)
    text = _ZERO_WIDTH_SPACE.sub(_zero_width_space, text)
    return _MONGOLIAN_MARK.sub("", _JOINER.sub("", text))


def _zero_width_space(found: regex.Match) -> str:
    return "" if _UNSPACED_BEFORE.search(found.string[: found.start()][-1:]) else " "


def spaces(text: str) -> str:
    """Collapse runs of spaces of any width and strip the ends. The narrow no-break space is kept."""
    return _SPACES.sub(" ", text).strip(" ")


# The order matters: "unicode" follows the steps that remove characters, so that the result stays in NFC.
TRANSFORMS: dict[str, Callable[[str], str]] = {
    "controls": controls,
    "invisible": invisible,
    "unicode": unicode_form,
    "spaces": spaces,
}
