"""Steps that write a language in one way, on demand: Kazakh in one script, traditional Mongolian in one spelling."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from swcm_fairseq.data.languages import language, plain_code
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option

from .kazakh import SCRIPTS, KazakhScript
from .mongolian import learn_spellings

Rewrite = Callable[[str, Counter[str]], str]  # a text and the counts of its words -> the text


@dataclass
class RewritingOptions:
    """What to write otherwise."""

    kazakh_script: str | None = option(
        None, f"kazakh: write Kazakh in this script: {' or '.join(SCRIPTS)}", metavar="SCRIPT", choices=SCRIPTS
    )
    mongolian_spellings: list[Path] = option(
        factory=list,
        help="mongolian: write each word in traditional script as most often in these files, among the spellings that "
        "look the same (needs mongol-norm)",
        metavar="FILE",
    )


@dataclass
class Rewritings:
    """The rewritings of each language; sent to each worker process.

    Attributes:
        of: language code -> step -> rewriting.
    """

    of: dict[str, dict[str, Rewrite]] = field(default_factory=dict)

    @classmethod
    def build(
        cls, langs: tuple[str, ...], options: RewritingOptions, steps: tuple[str, ...], encoding: str
    ) -> "Rewritings":
        """Those that the options ask for.

        Raises:
            InputError: no side is of the language, or its code names another script, or a file cannot be read.
        """
        found = cls()
        for step, (lang, flag, make) in REWRITINGS.items():
            rewrite = make(options, encoding) if step in steps else None
            if rewrite is not None:
                codes = [code for code in langs if plain_code(code) == lang]
                if not codes:
                    raise InputError(f"{flag}: --lang {'-'.join(langs)} has no {language(lang).name} ({lang})")
                for code in codes:
                    found.of.setdefault(code, {})[step] = rewrite
        _check_script(langs, options.kazakh_script if "kazakh" in steps else None)
        return found


def _check_script(langs: tuple[str, ...], script: str | None) -> None:
    """Raise :class:`InputError` for a code such as kk_cyrl where Arabic script is to be written."""
    for code in langs:
        if script and plain_code(code) == "kk" and script.capitalize() not in language(code).scripts:
            raise InputError(f"--kazakh-script {script}: --lang {code} says another script; give kk, or leave one out")


def _kazakh(options: RewritingOptions, _: str) -> Rewrite | None:
    return KazakhScript(options.kazakh_script) if options.kazakh_script else None


def _mongolian(options: RewritingOptions, encoding: str) -> Rewrite | None:
    return learn_spellings(options.mongolian_spellings, encoding) if options.mongolian_spellings else None


# Step -> its language, its option, and what makes it: None where the option is not given.
REWRITINGS: dict[str, tuple[str, str, Callable[[RewritingOptions, str], Rewrite | None]]] = {
    "kazakh": ("kk", "--kazakh-script", _kazakh),
    "mongolian": ("mn", "--mongolian-spellings", _mongolian),
}
