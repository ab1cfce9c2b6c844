"""One spelling of a text, regardless of the software that wrote it."""

import unicodedata

import regex

# Characters that are invisible or only shape the letters around them: variation selectors and the vowel
# separator of Mongolian, joiners, direction marks, byte order marks, the Arabic tatweel.
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\u0640]+")
_ZERO_WIDTH_SPACE = "\u200b"


def normalize(text: str) -> str:
    """Give ``text`` one spelling: NFKC, lower case, nothing invisible.

    NFKC is also what the sentencepiece models of XLM-R and CINO do to their input, so a reference from a raw
    file and a hypothesis that came through a model have the same spelling (the narrow space before Mongolian
    suffixes becomes a space, Arabic presentation forms become letters, full-width digits become ASCII).
    """
    text = unicodedata.normalize("NFKC", text.replace(_ZERO_WIDTH_SPACE, " "))
    return _INVISIBLE.sub("", text).lower()
