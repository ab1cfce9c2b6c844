"""Language accuracy: the share of texts in the requested language, judged by script and by a language identifier."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from swcm_fairseq.data.identification import has_identifier, identify, main_script
from swcm_fairseq.data.languages import language, plain_code
from swcm_fairseq.errors import InputError


@dataclass(frozen=True)
class LanguageAccuracy:
    """How much of an output is in the requested language.

    Attributes:
        script: percentage of segments whose main script is one of the language's; ``None`` if its scripts are unknown.
        language: percentage of segments identified as the language; ``None`` without ``pycld2``.
        scripts: script -> number of segments.
        languages: identified code -> number of segments; empty without ``pycld2``.
    """

    script: float | None
    language: float | None
    scripts: dict[str, int]
    languages: dict[str, int]


def expected_scripts(code: str) -> tuple[str, ...]:
    """The scripts of texts in ``code``: that of the subtag (``kk_arab``), or all scripts of the language."""
    return language(code).scripts


def language_accuracy(texts: Sequence[str], code: str) -> LanguageAccuracy:
    """The share of ``texts`` that is in language ``code``; segments without letters are in no language.

    Raises:
        InputError: there are no segments.
    """
    if not texts:
        raise InputError("no segments to identify the language of")
    scripts = Counter(map(main_script, texts))
    languages = Counter(map(identify, texts)) if has_identifier() else Counter()
    expected = expected_scripts(code)
    return LanguageAccuracy(
        script=100 * sum(scripts[script] for script in expected) / len(texts) if expected else None,
        language=100 * languages[plain_code(code)] / len(texts) if languages else None,
        scripts=dict(scripts.most_common()),
        languages=dict(languages.most_common()),
    )
