"""fairseq's beam search, with the same hypotheses but only one wait for the GPU per step instead of four to twelve.

fairseq's loop asks the GPU which hypotheses have ended, which rows have a prefix and which n-grams occur, and copies
constants to it. Here, a step runs entirely on the device, and only returns which candidates end a hypothesis and how
many tokens all beams share. The decoders' part of a step can be replayed as a CUDA graph (``--cuda-graph-decoding``).
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.search import BeamSearch
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor

from swcm_fairseq.data.sample import on_device
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.tasks.decoder_steps import GrowingSteps, StaticSteps

Hypotheses = list[dict[str, Tensor]]


class RepeatBlock(NGramRepeatBlock):
    """``--no-repeat-ngram-size``. fairseq's class blocks nothing, as it compares with the unused end of the buffer."""

    def forward(self, tokens: Tensor, lprobs: Tensor, bsz: int, beam_size: int, step: int) -> Tensor:
        """Set ``lprobs`` [N, V] to -inf for tokens that would repeat an n-gram of ``tokens`` int64 [N, >= step + 1]."""
        written, given = tokens[:, : step + 1], self.no_repeat_ngram_size - 1
        if step < given:
            return lprobs
        follow = written[:, given:]
        if not given:
            return lprobs.scatter_(1, follow, -math.inf)
        contexts = written.unfold(1, given, 1)  # [N, W, n - 1]; the last is the context of the next token
        again = (contexts[:, :-1] == contexts[:, -1:]).all(dim=2)
        return lprobs.scatter_add_(
            1, follow, torch.zeros_like(follow, dtype=lprobs.dtype).masked_fill_(again, -math.inf)
        )


@dataclass
class Beams:
    """The state of R sentences with K beams each; N is R x K.

    Attributes:
        tokens: int64 [N, t + 1], the tokens so far, ``<s>`` included.
        scores: [N, t], cumulative log-probabilities.
        ignored: bool [R, K], beams that have ended.
        steps: the state of the decoders.
        prefix: int64 [R, P], padded: the tokens that each hypothesis must begin with; None if there are none.
        order: int64 [N'], the rows that continue in the next step; None before the first step.
        next_tokens: int64 [N'], the tokens that they continue with.
        next_scores: [N'], their scores with these tokens.
        ending_rows: int64 [R, K], rows of the best candidates of the last step.
        ending_scores: [R, K], scores of these candidates.
        shared: number of first tokens that are the same in all beams of every sentence.
    """

    tokens: Tensor
    scores: Tensor
    ignored: Tensor
    steps: GrowingSteps | StaticSteps
    prefix: Tensor | None
    order: Tensor | None = None
    next_tokens: Tensor = field(default_factory=lambda: torch.empty(0))
    next_scores: Tensor = field(default_factory=lambda: torch.empty(0))
    ending_rows: Tensor = field(default_factory=lambda: torch.empty(0))
    ending_scores: Tensor = field(default_factory=lambda: torch.empty(0))
    shared: int = 0

    def keep(self, sentences: list[int]) -> None:
        """Continue only with these of the R sentences."""
        assert self.order is not None
        kept = on_device(np.array(sentences), self.tokens.device)
        beams = self.ignored.size(1)
        for name in ("order", "next_tokens", "next_scores"):
            setattr(self, name, getattr(self, name).view(-1, beams).index_select(0, kept).view(-1))
        self.ignored = self.ignored.index_select(0, kept)
        self.prefix = None if self.prefix is None else self.prefix.index_select(0, kept)


class BeamSearchGenerator(SequenceGenerator):
    """fairseq's generator, with a different loop for plain beam search with models of this package.

    Sampling, diverse and constrained search, language models, attention weights and other models use fairseq's loop.
    """

    pad: int
    unk: int
    eos: int
    vocab_size: int
    beam_size: int
    token_indices_to_suppress: Tensor | None

    def __init__(self, models: list[Any], tgt_dict: Any, *, static_steps: bool = False, **kwargs: Any):
        """As in fairseq; with ``static_steps``, buffers have fixed sizes, so a GPU can replay steps as a CUDA graph."""
        super().__init__(models, tgt_dict, **kwargs)
        self.static_steps = static_steps
        if kwargs.get("no_repeat_ngram_size"):
            self.repeat_ngram_blocker = RepeatBlock(kwargs["no_repeat_ngram_size"])

    def _is_plain(self, constraints: Tensor | None) -> bool:
        """Whether this class implements everything that is requested."""
        return (
            type(self.search) is BeamSearch
            and constraints is None
            and self.lm_model is None
            and not self.match_source_len
            and all(isinstance(model, XLMSWCMModel) and not model.decoder.need_attn for model in self.model.models)
        )

    def _generate(
        self,
        sample: dict[str, Any],
        prefix_tokens: Tensor | None = None,
        constraints: Tensor | None = None,
        bos_token: int | None = None,
    ) -> list[Hypotheses]:
        """Hypotheses of a batch, best first; see fairseq's ``generate``."""
        if not self._is_plain(constraints):
            if self.static_steps:
                raise InputError(
                    "--cuda-graph-decoding works only for plain beam search with models of this package; remove the "
                    "option"
                )
            return super()._generate(sample, prefix_tokens, constraints, bos_token)
        source = sample["net_input"]["src_tokens"]
        longest = min(int(self.max_len_a * source.size(1) + self.max_len_b), self.max_len - 1)
        if self.min_len > longest:
            raise InputError(
                f"--min-len {self.min_len} exceeds the maximum length of {longest} tokens; lower it, or raise "
                "--max-len-a or --max-len-b"
            )
        first = self.eos if bos_token is None else bos_token
        beams = self._first_beams(sample["net_input"], prefix_tokens, first, longest)
        if self.token_indices_to_suppress is not None:
            self.token_indices_to_suppress = self.token_indices_to_suppress.to(source.device)
        found: list[Hypotheses] = [[] for _ in source]
        remaining = list(range(len(source)))
        for step in range(longest + 1):
            answer = self._step(beams, step, longest).tolist()  # the only wait for the GPU per step
            beams.shared = min(shared for *_, shared in answer)
            self._collect(beams, [ends for *ends, _ in answer], [found[sentence] for sentence in remaining], step)
            kept = [row for row, sentence in enumerate(remaining) if len(found[sentence]) < self.beam_size]
            if not kept:
                break
            if len(kept) < len(remaining) and beams.steps.leaves_out:
                beams.keep(kept)
                remaining = [remaining[row] for row in kept]
        return _best_first(found)

    def _first_beams(self, net_input: dict[str, Any], prefix: Tensor | None, bos: int, longest: int) -> Beams:
        """The beams before the first of ``longest + 1`` steps."""
        source = net_input["src_tokens"]
        rows = torch.arange(len(source), device=source.device).unsqueeze(1).expand(-1, self.beam_size).reshape(-1)
        encoder_outs = self.model.reorder_encoder_out(self.model.forward_encoder(net_input), rows)
        steps: GrowingSteps | StaticSteps = (
            StaticSteps(self.model, encoder_outs, self.temperature, len(rows), longest + 1)
            if self.static_steps
            else GrowingSteps(self.model, encoder_outs, self.temperature)
        )
        return Beams(
            tokens=torch.full((len(rows), 1), bos, device=source.device),
            scores=torch.empty(len(rows), 0, device=source.device),
            ignored=torch.zeros(len(source), self.beam_size, dtype=torch.bool, device=source.device),
            steps=steps,
            prefix=prefix,
        )

    def _step(self, beams: Beams, step: int, longest: int) -> Tensor:
        """Add a token to the beams.

        Returns:
            int64 [R, K + 1]: 1 for each of the best K candidates that ends a hypothesis, otherwise 0; and the number of
            first tokens that are the same in all beams.
        """
        if beams.order is not None:
            beams.steps.move(beams.order, beams.shared)
            beams.tokens = torch.cat((beams.tokens.index_select(0, beams.order), beams.next_tokens[:, None]), dim=1)
            beams.scores = torch.cat((beams.scores.index_select(0, beams.order), beams.next_scores[:, None]), dim=1)
        lprobs = self._log_probs(beams, step, longest)
        sentences, size = beams.ignored.shape
        scores, words, places = self.search.step(
            step, lprobs.view(sentences, size, -1), beams.scores.view(sentences, size, -1), beams.tokens
        )
        rows = places + torch.arange(0, sentences * size, size, device=places.device).unsqueeze(1)
        ends = words.eq(self.eos) & scores.ne(-math.inf)
        ends[:, :size] &= ~beams.ignored
        beams.ending_rows, beams.ending_scores = rows[:, :size], scores[:, :size]
        ending = ends[:, :size].clone()
        self._choose(beams, rows, words, scores, ends)
        written = beams.tokens.view(sentences, size, -1)
        same = written.eq(written[:, :1]).all(dim=1)
        return torch.cat((ending, same.cumprod(dim=1).sum(dim=1, keepdim=True)), dim=1)

    def _log_probs(self, beams: Beams, step: int, longest: int) -> Tensor:
        """Log-probabilities [N, V] of the next tokens, with -inf for those that are not allowed."""
        lprobs = beams.steps.log_probs(beams.tokens)
        lprobs.nan_to_num_(nan=-math.inf, posinf=math.inf, neginf=-math.inf)
        lprobs[:, self.pad] = -math.inf
        lprobs[:, self.unk] -= self.unk_penalty
        if step >= longest:
            lprobs[:, : self.eos] = lprobs[:, self.eos + 1 :] = -math.inf
        if beams.prefix is not None and step < min(beams.prefix.size(1), longest):
            lprobs, beams.tokens, beams.scores = self._prefix_tokens(
                step, lprobs, beams.scores, beams.tokens, beams.prefix, self.beam_size
            )
        else:
            if step < self.min_len:
                lprobs[:, self.eos] = -math.inf
            if self.token_indices_to_suppress is not None:
                lprobs.index_fill_(1, self.token_indices_to_suppress, -math.inf)
        if self.repeat_ngram_blocker is not None:
            lprobs = self.repeat_ngram_blocker(beams.tokens, lprobs, len(beams.ignored), self.beam_size, step)
        return lprobs

    def _choose(self, beams: Beams, rows: Tensor, words: Tensor, scores: Tensor, ends: Tensor) -> None:
        """Continue with the best candidates that do not end; ``rows``, ``words``, ``scores``, ``ends`` are [R, 2 K]."""
        size, most = self.beam_size, 2 * self.beam_size
        ends[:, :size] |= beams.ignored
        rank = ends * most + torch.arange(ends.size(1), device=ends.device)
        places, active = rank.topk(size, dim=1, largest=False)
        beams.ignored = places.ge(most)
        beams.order, beams.next_tokens, beams.next_scores = (
            each.gather(1, active).view(-1) for each in (rows, words, scores)
        )

    def _prefix_tokens(
        self, step: int, lprobs: Tensor, scores: Tensor, tokens: Tensor, prefix_tokens: Tensor, beam_size: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As in fairseq, without reading from the GPU: rows with a given token can continue only with this token.

        If it is ``</s>``, all beams of the sentence become copies of the first, the only one with the whole prefix.
        """
        given = prefix_tokens[:, step, None].repeat(1, beam_size).view(-1, 1)
        ends = given.eq(self.eos)

        def like_first(x: Tensor) -> Tensor:
            first = x.unflatten(0, (-1, beam_size))[:, :1].expand(-1, beam_size, -1).flatten(0, 1)
            return torch.where(ends, first, x)

        own = like_first(lprobs.gather(1, given))
        alone = torch.full_like(lprobs, -math.inf).scatter_(1, given, own)
        return torch.where(given.ne(self.pad), alone, lprobs), like_first(tokens), like_first(scores)

    def length(self, step: int) -> int:
        """The length of a hypothesis that ends in ``step``, for normalizing its score."""
        return step + 1

    def _collect(self, beams: Beams, ending: list[list[int]], found: list[Hypotheses], step: int) -> None:
        """Add the hypotheses that end to ``found``, up to K per sentence."""
        size = self.beam_size
        places = [
            row * size + column
            for row, columns in enumerate(ending)
            for column in [column for column, ends in enumerate(columns) if ends][: size - len(found[row])]
        ]
        if not places:
            return
        chosen = on_device(np.array(places), beams.tokens.device)
        rows, totals = (x.flatten().index_select(0, chosen) for x in (beams.ending_rows, beams.ending_scores))
        written = beams.tokens.index_select(0, rows)[:, 1:]
        tokens = torch.cat((written, written.new_full((len(rows), 1), self.eos)), dim=1)
        sums = torch.cat((beams.scores.index_select(0, rows), totals[:, None]), dim=1)
        positional = torch.cat((sums[:, :1], sums.diff(dim=1)), dim=1)
        scores = totals / self.length(step) ** self.len_penalty if self.normalize_scores else totals
        for place, *parts in zip(places, tokens, scores, positional, strict=True):
            hypothesis = dict(zip(("tokens", "score", "positional_scores"), parts, strict=True))
            found[place // size].append({**hypothesis, "attention": torch.empty(0), "alignment": torch.empty(0)})


def _best_first(found: list[Hypotheses]) -> list[Hypotheses]:
    """The hypotheses of each sentence, sorted by score; all scores are read from the GPU at once."""
    scores = iter(torch.stack([hypothesis["score"] for hypotheses in found for hypothesis in hypotheses]).tolist())
    scored = [[(next(scores), hypothesis) for hypothesis in hypotheses] for hypotheses in found]
    return [[hypothesis for _, hypothesis in sorted(pairs, key=lambda pair: -pair[0])] for pairs in scored]
