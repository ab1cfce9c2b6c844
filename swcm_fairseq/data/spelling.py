"""Give texts a uniform spelling, regardless of the software that wrote them."""

import unicodedata

import regex

# Characters that are invisible or only shape the letters around them: Mongolian variation selectors and vowel
# separators, joiners, direction marks, byte order marks, the Arabic tatweel.
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\u0640]+")
_ZERO_WIDTH_SPACE = "\u200b"
# A pattern for regex's VERSION1; tsheg and shad are not part of a syllable.
TIBETAN_SYLLABLE = r"[\p{Tibetan}&&[\p{L}\p{M}\p{N}]]+"


def normalize(text: str) -> str:
    """Normalize ``text``: NFKC, lower case, no invisible characters.

    The sentencepiece models of XLM-R and CINO also apply NFKC to their input, so a reference from a raw file and a
    hypothesis from a model get the same spelling (the narrow space before Mongolian suffixes becomes a space, Arabic
    presentation forms become letters, full-width digits become ASCII).
    """
    text = unicodedata.normalize("NFKC", text.replace(_ZERO_WIDTH_SPACE, " "))
    return _INVISIBLE.sub("", text).lower()
