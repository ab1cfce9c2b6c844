"""The decoding part of a task: the generator, and input that does not come from a data directory."""

import logging
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

import torch
from fairseq.data import LanguagePairDataset
from fairseq.models import FairseqEncoderDecoderModel
from fairseq.sequence_generator import SequenceGenerator
from fairseq.sequence_scorer import SequenceScorer
from fairseq.tasks import FairseqTask
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.language_vocabulary import LanguageVocabularies
from swcm_fairseq.data.languages import check_code, language_token
from swcm_fairseq.data.sample import Sample
from swcm_fairseq.data.streams import FRAME
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.cpu_precision import CPUPrecision, set_cpu_precision
from swcm_fairseq.options import mapping_of
from swcm_fairseq.tasks.language_generator import LanguageGenerator
from swcm_fairseq.tasks.task_config import DecodingConfig

logger = logging.getLogger(__name__)


class InferenceTask(FairseqTask):
    """Decoding that starts from ``<s> <xx>``, for tasks whose dictionary has language tokens.

    Attributes:
        cfg: the task's options.
        dictionary: pieces, ``<mask>`` and language tokens.
        langs: language codes, in the order of their tokens.
        positions: maximum length of a text, including ``<s> <xx>`` and ``</s>``.
    """

    cfg: DecodingConfig
    dictionary: MultilingualDictionary
    langs: list[str]
    positions: int

    def language_id(self, lang: str) -> int:
        """The dictionary index of a language token; raises :class:`InputError` if the language has none."""
        if lang not in self.langs:
            check_code(lang)
            raise InputError(
                f"{lang!r} is not one of the languages {','.join(self.langs)}; use one of these, or train with "
                f"{lang} added to --langs"
            )
        return self.dictionary.index(language_token(lang))

    def _check_direction(self) -> None:
        """Raise :class:`InputError` if ``--source-lang`` or ``--target-lang`` (even from a checkpoint) has no token."""
        for lang in (self.cfg.source_lang, self.cfg.target_lang):
            if lang is not None:
                self.language_id(lang)

    def build_generator(
        self,
        models: Sequence[nn.Module] | nn.ModuleList,
        args: DictConfig | Namespace,
        seq_gen_cls: type[SequenceGenerator] | None = None,
        extra_gen_cls_kwargs: Options | None = None,
        **kwargs: Any,
    ) -> SequenceGenerator | SequenceScorer:
        """Build a generator that starts from ``<s> <xx>``.

        Raises:
            InputError: an option does not work with this task or the models, or a language has no token.
        """
        options = mapping_of(args)
        if options.get("print_alignment"):
            raise InputError("--print-alignment: this task cannot print alignments; remove the option")
        for model in models:
            if not isinstance(model, FairseqEncoderDecoderModel):
                raise InputError(
                    f"--path: the checkpoint contains a {type(model).__name__}, which cannot generate text; give a "
                    "checkpoint of a model with a decoder"
                )
        self._check_direction()
        for model in models:
            set_cpu_precision(model, CPUPrecision.of(self.cfg.cpu_precision))
            if self.cfg.cuda_graph_decoding and next(model.parameters()).device.type != "cuda":
                raise InputError("--cuda-graph-decoding needs a GPU, but the model is not on one; remove the option")
        extra = dict(extra_gen_cls_kwargs or {})
        if not options.get("score_reference"):
            target = self.cfg.target_lang
            extra["target_token"] = self.language_id(target) if target else None
            extra["language_tokens"] = {self.language_id(lang) for lang in self.langs}
            extra["vocabularies"] = LanguageVocabularies(self) if self.cfg.restrict_decoding else None
            extra["static_steps"] = self.cfg.cuda_graph_decoding
        return super().build_generator(
            models, args, seq_gen_cls=seq_gen_cls or LanguageGenerator, extra_gen_cls_kwargs=extra, **kwargs
        )

    def inference_step(
        self,
        generator: SequenceGenerator | SequenceScorer,
        models: Sequence[nn.Module],
        sample: Sample,
        prefix_tokens: Tensor | None = None,
        constraints: Tensor | None = None,
    ) -> list[list[Options]]:
        """As in fairseq; references truncated to ``--tokens-per-sample`` are restored for printing and scoring."""
        if isinstance(generator, SequenceScorer):
            sample["start_indices"] = [1] * len(sample["id"])  # position 0 belongs to the language token
        elif "full_target" in sample:
            sample["target"] = sample.pop("full_target")
        if prefix_tokens is not None and sample.get("target") is not None:
            # --prefix-size counts from the first word, but position 0 of the target belongs to the language token.
            prefix_tokens = sample["target"][:, 1 : 1 + prefix_tokens.size(1)]
        return super().inference_step(generator, models, sample, prefix_tokens, constraints)

    def build_bpe(self, args: DictConfig) -> Any:
        """As in fairseq; raises :class:`InputError` if a sentencepiece model is missing or cannot be read."""
        if mapping_of(args).get("_name") != "sentencepiece":
            return super().build_bpe(args)
        if OmegaConf.is_missing(args, "sentencepiece_model"):
            raise InputError(
                "--sentencepiece-model is missing: --bpe sentencepiece needs sentencepiece.bpe.model of the vocabulary"
            )
        try:
            return super().build_bpe(args)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"--sentencepiece-model {args.sentencepiece_model}: no such file, or not a sentencepiece model; give "
                "sentencepiece.bpe.model from the vocabulary directory"
            ) from error

    def get_interactive_tokens_and_lengths(
        self, lines: Sequence[str], encode_fn: Callable[[str], str]
    ) -> tuple[list[Tensor], list[int]]:
        """Ids of lines of text, to which :meth:`build_dataset_for_inference` adds ``<s> <xx>`` and ``</s>``."""
        encode = self.dictionary.encode_line
        tokens = [encode(encode_fn(line), add_if_not_exist=False, append_eos=False).long() for line in lines]
        return tokens, [len(t) for t in tokens]

    def build_dataset_for_inference(
        self,
        src_tokens: Sequence[Tensor],
        src_lengths: Sequence[int] | None,
        constraints: Tensor | None = None,
        source_lang: str | None = None,
        target_lang: str | None = None,
        **kwargs: Any,
    ) -> LanguagePairDataset:
        """A dataset of sources ``<s> <xx> w1 .. wn </s>``, for ``fairseq-interactive`` and for text given in Python.

        Args:
            src_tokens: int64 tensors of one text each, with or without ``</s>`` at the end (fairseq's hub adds it).
            src_lengths: lengths of the texts; not used.
            constraints: constraints of fairseq's generator.
            source_lang: language of the texts; the default is ``--source-lang``.
            target_lang: language to generate; the default is ``--target-lang``.
            kwargs: further arguments of fairseq; not used.

        Raises:
            InputError: a language is missing or has no token.
        """
        source_lang = self._given("source", source_lang or self.cfg.source_lang)
        target_lang = self._given("target", target_lang or self.cfg.target_lang)
        target_token = self.language_id(target_lang)
        framed = self._framed(src_tokens, self.language_id(source_lang))
        return LanguagePairDataset(
            framed,
            [len(t) for t in framed],
            self.dictionary,
            left_pad_source=False,
            constraints=constraints,
            tgt_lang_id=target_token,
        )

    def _given(self, name: str, lang: str | None) -> str:
        """``lang``; raises :class:`InputError` if the language ``name`` (source or target) is missing."""
        if lang is None:
            raise InputError(
                f"--{name}-lang is missing: give one of {','.join(self.langs)} "
                f'(in Python: generate(..., {name}_lang="{self.langs[0]}"))'
            )
        return lang

    def _framed(self, texts: Sequence[Tensor], lang_token: int) -> list[Tensor]:
        """Truncate texts to ``--tokens-per-sample`` and add ``<s> <xx>`` (``lang_token``) and ``</s>``; int64."""
        eos = self.dictionary.eos()
        bodies = [text[:-1] if len(text) and text[-1] == eos else text for text in texts]
        room = self.positions - FRAME
        long = [number for number, text in enumerate(bodies, 1) if len(text) > room]
        if long:
            logger.warning(
                f"{len(long)} of {len(bodies)} texts have more than {room} tokens (the first is number {long[0]}, with "
                f"{len(bodies[long[0] - 1])}); only the first {room} tokens of each are read"
            )
        frame = torch.tensor([self.dictionary.bos(), lang_token])
        return [torch.cat((frame.to(text), text[:room], text.new_tensor([eos]))) for text in bodies]
