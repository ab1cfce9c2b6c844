"""Beam search and sampling that start from ``<s> <xx>``."""

import contextlib
from collections.abc import Iterator

import torch
from fairseq.models import FairseqEncoderDecoderModel
from fairseq.search import DiverseBeamSearch
from torch import nn

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.data.language_vocabulary import LanguageVocabularies, OutputVocabulary, RestrictedProjection
from swcm_fairseq.data.sample import Sample
from swcm_fairseq.data.vocabulary import MASK
from swcm_fairseq.errors import InputError
from swcm_fairseq.int8 import Int8Linear
from swcm_fairseq.tasks.beam_search import BeamSearchGenerator


class LanguageGenerator(BeamSearchGenerator):
    """A generator that forces each sample's language token after ``<s>``.

    The token has no score, does not count toward the length and is not part of the hypotheses.
    """

    def __init__(
        self,
        models,
        tgt_dict,
        *,
        target_token: int | None,
        language_tokens: set[int],
        vocabularies: LanguageVocabularies | None = None,
        **kwargs,
    ):
        """Args:
        models: an ensemble.
        tgt_dict: the dictionary.
        target_token: the language token for samples without their own (``fairseq-interactive``), or None.
        language_tokens: ids of all language tokens, never generated.
        vocabularies: the words of each language, to which the search is restricted; None for no restriction.
        kwargs: further arguments of fairseq.
        """
        stripped = set(kwargs.pop("symbols_to_strip_from_output", None) or ()) | language_tokens | {tgt_dict.bos()}
        kwargs["min_len"] = kwargs.get("min_len", 1) + 1
        kwargs["max_len_b"] = kwargs.get("max_len_b", 200) + 1
        super().__init__(models, tgt_dict, symbols_to_strip_from_output=stripped, **kwargs)
        for model in self.model.models:
            rows = model.decoder.output_projection.weight.size(0)
            if rows != len(tgt_dict):
                raise InputError(
                    f"a model of the ensemble has {rows:,} output symbols, but the dictionary has {len(tgt_dict):,}; "
                    "only combine checkpoints with the same languages"
                )
        self.target_token = target_token
        self.vocabularies = vocabularies
        never = sorted(language_tokens | {tgt_dict.bos(), tgt_dict.index(MASK)})
        self.token_indices_to_suppress = torch.tensor(never)
        # Projection -> ids of the last vocabulary and the projection restricted to it.
        self._rounded: dict[int, tuple[torch.Tensor, RestrictedProjection]] = {}

    @torch.no_grad()
    def generate(self, models, sample: Sample, **kwargs) -> list[list[dict[str, torch.Tensor]]]:
        """Hypotheses of a batch, best first, without the language token.

        ``prefix_tokens``, int64, shape (batch, length), are forced after the language token.
        """
        forced = self._language_tokens(sample)
        prefix = kwargs.pop("prefix_tokens", None)
        kwargs["prefix_tokens"] = forced if prefix is None else torch.cat((forced, prefix.to(forced)), dim=1)
        kwargs["bos_token"] = self.tgt_dict.bos()
        if isinstance(self.search, DiverseBeamSearch):
            # It uses sample ids as row numbers of the batch, so the ids of a data set would be out of range.
            sample = sample.copy()
            del sample["id"]
        with self._searched_words(forced, kwargs) as words:
            found = super().generate(models, sample, **kwargs)
        return [[_without_first(hypo, words) for hypo in hypos] for hypos in found]

    @contextlib.contextmanager
    def _searched_words(self, lang_tokens: torch.Tensor, options: Options) -> Iterator[OutputVocabulary | None]:
        """Inside this context, the search is restricted to the words of the batch's language and to given words.

        Meanwhile, the decoder, the search and ``options`` (of fairseq's ``generate``, which are modified) use the ids
        of a smaller vocabulary. Special symbols keep their ids, because they always come first.

        Yields:
            The vocabulary; None if the search is not restricted.
        """
        if self.vocabularies is None:
            yield None
            return
        vocabulary = self._vocabulary(lang_tokens, options)
        before = self.vocab_size, self.token_indices_to_suppress
        whole = [(model.decoder, model.decoder.output_projection, model.decoder.embed_tokens) for model in self._models]
        try:
            for decoder, projection, embeddings in whole:
                decoder.output_projection = self._smaller_projection(projection, vocabulary)
                rows = vocabulary.weight(embeddings.weight.detach())
                decoder.embed_tokens = torch.nn.Embedding.from_pretrained(rows, padding_idx=embeddings.padding_idx)
            assert self.token_indices_to_suppress is not None  # set by the constructor
            never = self.token_indices_to_suppress.to(vocabulary.ids.device)
            self.token_indices_to_suppress = vocabulary.local(never[torch.isin(never, vocabulary.ids)])
            self.vocab_size = len(vocabulary.ids)
            yield vocabulary
        finally:
            self.vocab_size, self.token_indices_to_suppress = before
            for decoder, projection, embeddings in whole:
                decoder.output_projection, decoder.embed_tokens = projection, embeddings

    def _vocabulary(self, lang_tokens: torch.Tensor, options: Options) -> OutputVocabulary:
        """The words to search; tokens in ``options`` are converted to the ids of this vocabulary."""
        assert self.vocabularies is not None
        if self.lm_model is not None:
            raise InputError("--lm-path: a language model needs all words; remove --restrict-decoding")
        prefix, constraints = options["prefix_tokens"], options.get("constraints")
        given = [
            part.flatten() for part in (prefix, None if constraints is None else constraints[:, 1:]) if part is not None
        ]
        languages = sorted(set(lang_tokens.flatten().tolist()))
        words = torch.cat([part.to(prefix) for part in given]).cpu().numpy()
        vocabulary, _ = self.vocabularies.output_vocabulary(languages, words, prefix.device)
        options["prefix_tokens"] = vocabulary.local(prefix)
        if constraints is not None:  # the first column contains counts, and zeros separate constraints
            local = vocabulary.local(constraints[:, 1:].to(prefix)).to(constraints)
            options["constraints"] = torch.cat((constraints[:, :1], local), dim=1)
        return vocabulary

    def _smaller_projection(
        self, projection: nn.Linear | Int8Linear, vocabulary: OutputVocabulary
    ) -> RestrictedProjection:
        """The restricted ``projection``; in int8, where weights never change, it is cached for the next batch."""
        if not isinstance(projection, Int8Linear):
            return RestrictedProjection(projection, vocabulary)
        ids, kept = self._rounded.get(id(projection), (None, None))
        if ids is None or kept is None or not torch.equal(ids, vocabulary.ids):
            kept = RestrictedProjection(projection, vocabulary)
            self._rounded[id(projection)] = vocabulary.ids, kept
        return kept

    @property
    def _models(self) -> list[FairseqEncoderDecoderModel]:
        return list(self.model.models)

    def _language_tokens(self, sample: Sample) -> torch.Tensor:
        """The token to force for each sample, int64, shape (batch, 1)."""
        source = sample["net_input"]["src_tokens"]
        if "tgt_lang_id" in sample:
            return sample["tgt_lang_id"].to(source).view(-1, 1)
        if self.target_token is None:
            raise InputError(
                "--target-lang is missing, and the batch does not name target languages; give --target-lang "
                '(in Python: generate(..., target_lang="bo"))'
            )
        return source.new_full((source.size(0), 1), self.target_token)

    def _prefix_tokens(self, step: int, lprobs, scores, tokens, prefix_tokens, beam_size: int):
        lprobs, tokens, scores = super()._prefix_tokens(step, lprobs, scores, tokens, prefix_tokens, beam_size)
        if step == 0:
            lprobs.masked_fill_(lprobs > -torch.inf, 0.0)  # the language token is certain
        return lprobs, tokens, scores

    def length(self, step: int) -> int:
        """As in the parent class, without the language token."""
        return max(step, 1)

    def finalize_hypos(self, step: int, bbsz_idx, eos_scores, tokens, scores, finalized, *args):
        """As in fairseq, but scores are normalized by :meth:`length`."""
        before = [len(hypos) for hypos in finalized]
        newly_finished = super().finalize_hypos(step, bbsz_idx, eos_scores, tokens, scores, finalized, *args)
        if self.normalize_scores:
            factor = ((step + 1) / self.length(step)) ** self.len_penalty
            for hypos, known in zip(finalized, before, strict=True):
                for hypo in hypos[known:]:
                    hypo["score"] = hypo["score"] * factor
        return newly_finished


def _without_first(hypo: dict[str, torch.Tensor], words: OutputVocabulary | None) -> dict[str, torch.Tensor]:
    """A hypothesis without its first token; ids of the vocabulary ``words`` become ids of the dictionary."""
    tokens = hypo["tokens"] if words is None else words.ids[hypo["tokens"]]
    shorter = {**hypo, "tokens": tokens[1:], "positional_scores": hypo["positional_scores"][1:]}
    if hypo["attention"].numel():
        shorter["attention"] = hypo["attention"][:, 1:]
    return shorter
