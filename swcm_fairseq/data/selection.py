"""Select the corpora and directions that a run uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from swcm_fairseq.data.corpora import Corpus, Kind
from swcm_fairseq.errors import InputError


@dataclass(frozen=True)
class Direction:
    """A corpus in one direction; it becomes one stream of samples."""

    corpus: Corpus
    reverse: bool = False

    @property
    def source_lang(self) -> str:
        """Language of the source."""
        return self.corpus.target_lang if self.reverse else self.corpus.source_lang

    @property
    def target_lang(self) -> str:
        """Language of the target."""
        return self.corpus.source_lang if self.reverse else self.corpus.target_lang

    @property
    def group(self) -> str:
        """Name in logs: ``dae_bo``, ``mt_zh-bo``, ``mt_bo-zh`` (its reverse), ``mt_ti_sum``, ``mt_news.bo-zh``."""
        corpus = self.corpus
        if corpus.kind is Kind.MONO:
            return f"dae_{corpus.name}"
        if not self.reverse:
            return f"mt_{corpus.name}"
        languages = f"{self.source_lang}-{self.target_lang}"
        named = corpus.name != f"{corpus.source_lang}-{corpus.target_lang}"
        return f"mt_{corpus.name}.{languages}" if named else f"mt_{languages}"

    def files(self, split: str) -> list[str]:
        """Source and target file of a split, relative to the data directory; only one file for monolingual text."""
        found = self.corpus.splits[split]
        if found.target is None:
            return [found.source]
        return [found.target, found.source] if self.reverse else [found.source, found.target]


def all_directions(corpora: Sequence[Corpus], both: bool | None) -> list[Direction]:
    """Every corpus in the forward direction, and pairs also in reverse.

    Args:
        corpora: the corpora.
        both: whether to add reversed pairs; None adds them for pairs of two languages.

    Raises:
        InputError: ``both`` is true for a pair within one language, whose reverse would be indistinguishable.
    """
    directions = []
    for corpus in corpora:
        directions.append(Direction(corpus))
        if corpus.kind is Kind.MONO:
            continue
        shared = corpus.source_lang == corpus.target_lang
        if both and shared:
            raise InputError(
                f"--directions both: {corpus.name} has {corpus.source_lang} on both sides, so it cannot be reversed; "
                "omit --directions (pairs of two languages are then used in both directions) or select corpora with "
                "--corpora"
            )
        if (both is None and not shared) or both:
            directions.append(Direction(corpus, reverse=True))
    stored = {d.group for d in directions if not d.reverse}
    # If zh-bo and bo-zh are both stored, they are separate corpora and neither is reversed.
    return [d for d in directions if not (d.reverse and d.group in stored)]


def choose_directions(
    corpora: Sequence[Corpus],
    place: str,
    wanted: Sequence[str] = (),
    both: bool | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
    translation_share: float | None = None,
) -> list[Direction]:
    """The directions that the flags select.

    Args:
        corpora: the corpora of the data directory.
        place: the data directory, for messages.
        wanted: names of corpora or groups; empty for all.
        both: see :func:`all_directions`.
        source_lang, target_lang: languages of the only directions to select, if given; monolingual text is then
            selected only if it is named in ``wanted``.
        translation_share: share of pairs; 0 excludes pairs, and 1 excludes monolingual text.

    Raises:
        InputError: a name is unknown, or the flags select nothing.
    """
    if not corpora:
        raise InputError(
            f"{place}: contains no corpora.json, <lang>/<split>.idx or <split>.<source>-<target>.<lang>.idx; "
            "give a directory written by swcm binarize or fairseq-preprocess"
        )
    known = {corpus.name for corpus in corpora} | {d.group for d in all_directions(corpora, None)}
    for name in wanted:
        if name not in known:
            raise InputError(f"--corpora {name}: {place} has no such corpus; available: {', '.join(sorted(known))}")
    named = [c for c in corpora if not wanted or c.name in wanted or _names_direction(c, corpora, wanted)]
    directions = [d for d in all_directions(named, both) if not wanted or d.corpus.name in wanted or d.group in wanted]
    if source_lang or target_lang:
        directions = [
            d
            for d in directions
            if source_lang in (None, d.source_lang)
            and target_lang in (None, d.target_lang)
            and (d.corpus.kind is Kind.PAIR or wanted)
        ]
    if translation_share in (0, 1):
        directions = [d for d in directions if (d.corpus.kind is Kind.PAIR) == (translation_share == 1)]
    if not directions:
        asked = " ".join(
            f"{flag} {value}"
            for flag, value in (
                ("--corpora", ",".join(wanted)),
                ("--source-lang", source_lang),
                ("--target-lang", target_lang),
                ("--translation-share", translation_share),
            )
            if value not in (None, "")
        )
        raise InputError(f"{place}: {asked} selects nothing; available: {', '.join(sorted(known))}")
    return directions


def _names_direction(corpus: Corpus, corpora: Sequence[Corpus], wanted: Sequence[str]) -> bool:
    return any(d.group in wanted for d in all_directions(corpora, None) if d.corpus is corpus)
