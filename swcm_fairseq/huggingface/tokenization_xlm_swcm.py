"""XLM-SWCM's tokenizer for transformers: converts text to ids and back exactly as in training."""

import os
import shutil

import sentencepiece
from transformers import PreTrainedTokenizer

SPACE = "▁"  # sentencepiece's mark for the space before a piece
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
VOCAB_FILES_NAMES = {"vocab_file": "sentencepiece.bpe.model", "dict_file": "dict.txt"}


def read_pieces(path: str) -> list[str]:
    """The pieces of fairseq's ``dict.txt``, in the order of their ids; each line is a piece and its count."""
    with open(path, encoding="utf-8") as lines:
        return [line.removesuffix("\n").removesuffix(" #fairseq:overwrite").rpartition(" ")[0] for line in lines]


class XLMSWCMTokenizer(PreTrainedTokenizer):
    """Sentencepiece with fairseq's ids: ``<s> <pad> </s> <unk>``, the pieces, ``<mask>``, the language tokens.

    A source is ``<s> <xx> w1 .. wn </s>`` with the token of ``src_lang``; labels (``text_target``) are
    ``<xx> w1 .. wn </s>`` with the token of ``tgt_lang``. Special tokens spelled out in a text are ordinary text, as in
    training; with ``split_special_tokens=False``, ``<mask>`` in a text is the mask.

    Args:
        vocab_file: path of the sentencepiece model.
        dict_file: path of the list of pieces in id order.
        langs: language codes, in the order of their tokens.
        src_lang: language of sources; may be changed at any time.
        tgt_lang: language of labels; may be changed at any time.
    """

    vocab_files_names = VOCAB_FILES_NAMES
    model_input_names = ["input_ids", "attention_mask"]

    def __init__(
        self,
        vocab_file: str,
        dict_file: str,
        langs: list[str],
        src_lang: str | None = None,
        tgt_lang: str | None = None,
        **kwargs: object,
    ):
        self.vocab_file, self.dict_file, self.langs = vocab_file, dict_file, list(langs)
        self.sp_model = sentencepiece.SentencePieceProcessor(model_file=vocab_file)
        language_tokens = [f"<{lang}>" for lang in langs]
        self.symbols = [*SPECIALS, *read_pieces(dict_file), MASK, *language_tokens]
        self.ids = {symbol: number for number, symbol in enumerate(self.symbols)}
        self.lang_code_to_id = {lang: self.ids[token] for lang, token in zip(langs, language_tokens, strict=True)}
        self.id_to_lang_code = {number: lang for lang, number in self.lang_code_to_id.items()}
        self._piece_symbols = [self._symbol(number) for number in range(self.sp_model.get_piece_size())]
        bos, pad, eos, unk = SPECIALS
        tokens = {"bos_token": bos, "pad_token": pad, "eos_token": eos, "unk_token": unk, "mask_token": MASK}
        others = {"cls_token": bos, "sep_token": eos, "split_special_tokens": True}
        if not {"additional_special_tokens", "extra_special_tokens"} & kwargs.keys():
            kwargs["additional_special_tokens"] = language_tokens
        super().__init__(**{**tokens, **others, **kwargs}, langs=self.langs, src_lang=src_lang, tgt_lang=tgt_lang)
        self._skipped = {*self.lang_code_to_id.values(), *(self.ids[token] for token in (bos, pad, eos, MASK))}
        self._target = False
        self.src_lang, self.tgt_lang = src_lang, tgt_lang

    def _symbol(self, number: int) -> str:
        """The symbol of a sentencepiece id: its piece, or ``<unk>``."""
        if self.sp_model.is_control(number) or self.sp_model.is_unknown(number):
            return SPECIALS[3]
        return self.sp_model.id_to_piece(number)

    # --- languages ---

    @property
    def src_lang(self) -> str | None:
        """Language of sources."""
        return self._src_lang

    @src_lang.setter
    def src_lang(self, lang: str | None) -> None:
        self._src_lang = self._checked(lang)

    @property
    def tgt_lang(self) -> str | None:
        """Language of labels."""
        return self._tgt_lang

    @tgt_lang.setter
    def tgt_lang(self, lang: str | None) -> None:
        self._tgt_lang = self._checked(lang)

    def _checked(self, lang: str | None) -> str | None:
        if lang is not None and lang not in self.lang_code_to_id:
            raise ValueError(f"{lang!r} is not one of the model's languages: {', '.join(self.langs)}")
        return lang

    @property
    def prefix_tokens(self) -> list[int]:
        """The tokens before the text: ``<s> <xx>`` for sources, ``<xx>`` for labels."""
        name, lang = ("tgt_lang", self.tgt_lang) if self._target else ("src_lang", self.src_lang)
        if lang is None:
            raise ValueError(f"no {name}: set tokenizer.{name} to one of {', '.join(self.langs)}")
        return [self.lang_code_to_id[lang]] if self._target else [self.bos_token_id, self.lang_code_to_id[lang]]

    @property
    def suffix_tokens(self) -> list[int]:
        """The tokens after the text."""
        return [self.eos_token_id]

    def _switch_to_input_mode(self) -> None:
        self._target = False

    def _switch_to_target_mode(self) -> None:
        self._target = True

    def _build_translation_inputs(
        self, raw_inputs: object, return_tensors: str, src_lang: str | None, tgt_lang: str | None, **kwargs: object
    ) -> object:
        """Called by the translation pipeline (transformers 4)."""
        if src_lang is None or tgt_lang is None:
            raise ValueError(f"give src_lang and tgt_lang; the languages are {', '.join(self.langs)}")
        self.src_lang, self.tgt_lang = src_lang, tgt_lang
        inputs = self(raw_inputs, return_tensors=return_tensors, **kwargs)
        inputs["forced_bos_token_id"] = self.lang_code_to_id[tgt_lang]
        return inputs

    # --- vocabulary ---

    @property
    def vocab_size(self) -> int:
        """Number of symbols."""
        return len(self.symbols)

    def get_vocab(self) -> dict[str, int]:
        """Symbol -> id, including added tokens."""
        return {**self.ids, **self._added_tokens_encoder}

    def _tokenize(self, text: str, **kwargs: object) -> list[str]:
        return [self._piece_symbols[number] for number in self.sp_model.encode(text)]

    def _convert_token_to_id(self, token: str) -> int:
        return self.ids.get(token, self.ids[SPECIALS[3]])

    def _convert_id_to_token(self, index: int) -> str:
        return self.symbols[index]

    # --- sequences ---

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Put a text, or two joined texts, between :attr:`prefix_tokens` and :attr:`suffix_tokens`."""
        return [*self.prefix_tokens, *token_ids_0, *(token_ids_1 or []), *self.suffix_tokens]

    def get_special_tokens_mask(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for special tokens, 0 for pieces."""
        if already_has_special_tokens:
            return super().get_special_tokens_mask(token_ids_0, token_ids_1, already_has_special_tokens=True)
        pieces = len(token_ids_0) + len(token_ids_1 or [])
        return [1] * len(self.prefix_tokens) + [0] * pieces + [1] * len(self.suffix_tokens)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text of a list of symbols, as ``fairseq-generate --remove-bpe sentencepiece`` writes it."""
        return "".join(tokens).replace(SPACE, " ").strip()

    def _decode(
        self, token_ids: int | list[int], skip_special_tokens: bool = False, *args: object, **kwargs: object
    ) -> str:
        """The text of ids; ``skip_special_tokens`` leaves out all special tokens but ``<unk>``, as in fairseq."""
        numbers = [token_ids] if isinstance(token_ids, int) else token_ids
        kept = [int(number) for number in numbers if not (skip_special_tokens and int(number) in self._skipped)]
        return self.convert_tokens_to_string(self.convert_ids_to_tokens(kept))

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Copy both files to a directory; return their new paths."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        written = []
        for name, source in (("vocab_file", self.vocab_file), ("dict_file", self.dict_file)):
            target = os.path.join(save_directory, prefix + VOCAB_FILES_NAMES[name])
            if os.path.abspath(source) != os.path.abspath(target):
                shutil.copyfile(source, target)
            written.append(target)
        return tuple(written)
