"""Optional steps that unify how a language is written: Kazakh in one script, traditional Mongolian in one spelling."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from swcm_fairseq.data.languages import language, plain_code
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import flag, option

from .kazakh import SCRIPTS, KazakhScript
from .mongolian import learn_spellings

Rewrite = Callable[[str, Counter[str]], str]  # (text, counts of words, added to) -> rewritten text


@dataclass
class RewritingOptions:
    """What to rewrite."""

    kazakh_script: str | None = option(
        None, f"kazakh: write Kazakh in this script: {' or '.join(SCRIPTS)}", metavar="SCRIPT", choices=SCRIPTS
    )
    mongolian_spellings: list[Path] = option(
        factory=list,
        help="mongolian: of the spellings of a word that look the same in traditional script, write the most frequent "
        "one in these files (needs mongol-norm)",
        metavar="FILE",
    )


@dataclass
class Rewritings:
    """The rewritings of each language; sent to each worker process.

    Attributes:
        of: language code -> step -> rewriting function.
    """

    of: dict[str, dict[str, Rewrite]] = field(default_factory=dict)

    @classmethod
    def build(
        cls, langs: tuple[str, ...], options: RewritingOptions, steps: tuple[str, ...], encoding: str
    ) -> "Rewritings":
        """The rewritings that the options ask for.

        Raises:
            InputError: no side is in the language of a rewriting, a language code names the wrong script, or a file
                cannot be read.
        """
        check_rewritings(langs, options, steps)
        found = cls()
        for step, (lang, _, make) in REWRITINGS.items():
            rewrite = make(options, encoding) if step in steps else None
            for code in langs:
                if rewrite is not None and plain_code(code) == lang:
                    found.of.setdefault(code, {})[step] = rewrite
        return found


def check_rewritings(langs: tuple[str, ...], options: RewritingOptions, steps: tuple[str, ...]) -> None:
    """Raise :class:`InputError` for a rewriting that suits none of the languages."""
    for step, (lang, name, _) in REWRITINGS.items():
        if step in steps and vars(options)[name] and lang not in map(plain_code, langs):
            raise InputError(
                f"{flag(name)}: --lang {'-'.join(langs)} has no {language(lang).name} ({lang}); omit the option"
            )
    _check_script(langs, options.kazakh_script if "kazakh" in steps else None)


def _check_script(langs: tuple[str, ...], script: str | None) -> None:
    """Raise :class:`InputError` for a code such as kk_cyrl if the text will be written in Arabic script."""
    for code in langs:
        if script and plain_code(code) == "kk" and script.capitalize() not in language(code).scripts:
            raise InputError(f"--kazakh-script {script}: --lang {code} is another script; give kk, or omit one option")


def _kazakh(options: RewritingOptions, _: str) -> Rewrite | None:
    return KazakhScript(options.kazakh_script) if options.kazakh_script else None


def _mongolian(options: RewritingOptions, encoding: str) -> Rewrite | None:
    return learn_spellings(options.mongolian_spellings, encoding) if options.mongolian_spellings else None


# Step -> its language, the name of its option, and the function that makes it (None if the option is not given).
REWRITINGS: dict[str, tuple[str, str, Callable[[RewritingOptions, str], Rewrite | None]]] = {
    "kazakh": ("kk", "kazakh_script", _kazakh),
    "mongolian": ("mn", "mongolian_spellings", _mongolian),
}
