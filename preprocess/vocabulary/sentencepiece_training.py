"""Train a sentencepiece model, and explain sentencepiece's errors."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sentencepiece

from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option

from ..steps.schema import COUNT, Rule
from .coverage import LanguageFile
from .line_sampling import count_lines, rates, sample_lines
from .sentencepiece_models import ModelProto

CONTROL_PIECES = 3  # <unk> <s> </s>, in the model but not in dict.txt
MAX_LINE_BYTES = 1 << 22
# Fixed, because the result depends on the number of threads and must not depend on the machine.
TRAINER_THREADS = 4
_TOO_MANY = re.compile(r"Vocabulary size (?:is )?too high \(\d+\)\. Please set it to a value <= (\d+)")
_TOO_FEW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")


@dataclass
class TrainOptions:
    """The size of a model, and the sample it is trained on."""

    size: int = option(16_000, "pieces in dict.txt (vocab-extend: per language)", metavar="N", rule=COUNT)
    max_lines: int = option(
        5_000_000, "train on a sample of at most N lines (vocab-extend: per language)", metavar="N", rule=COUNT
    )
    character_coverage: float = option(
        0.99995,
        "share of the text's characters that the pieces must cover; the default is XLM-R's",
        metavar="SHARE",
        rule=Rule("must be between 0.9 and 1", lambda share: 0.9 <= share <= 1),
    )
    seed: int = option(1, "random seed for line samples and new rows", metavar="N")


def train_on(files: list[LanguageFile], options: TrainOptions, alpha: float, workers: int) -> ModelProto:
    """Train on a sample of the lines of files.

    Args:
        files: text in one or several languages.
        options: size of the model and of the sample.
        alpha: exponent that balances the languages; 1 keeps their shares.
        workers: number of processes that count lines.

    Raises:
        InputError: the text is too small for that many pieces, or has too many distinct characters.
    """
    rate = rates(count_lines(files, workers), alpha, options.max_lines)
    return train(sample_lines(files, rate, options.seed), options.size, options.character_coverage)


def train(lines: Iterator[str], size: int, coverage: float) -> ModelProto:
    """Train a unigram model of ``size`` pieces, not counting special symbols.

    Raises:
        InputError: the text is too small for that many pieces, or has too many distinct characters.
    """
    output = io.BytesIO()
    raised: list[BaseException] = []
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_remember(lines, raised),
            model_writer=output,
            model_type="unigram",
            vocab_size=size + CONTROL_PIECES,
            character_coverage=coverage,
            normalization_rule_name="nmt_nfkc",
            byte_fallback=False,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=TRAINER_THREADS,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        if raised:
            raise raised[0] from None
        raise InputError(_explain(str(error), size)) from error
    model = ModelProto()
    model.ParseFromString(output.getvalue())
    return model


def _remember(lines: Iterator[str], raised: list[BaseException]) -> Iterator[str]:
    """Yield ``lines``; record their exceptions (including Ctrl-C), which sentencepiece replaces with its own."""
    try:
        yield from lines
    except GeneratorExit:
        raise
    except BaseException as error:
        raised.append(error)
        raise


def _explain(message: str, size: int) -> str:
    if match := _TOO_MANY.search(message):
        return f"--size {size}: the text is too small; at most {int(match[1]) - CONTROL_PIECES} pieces can be learned"
    if match := _TOO_FEW.search(message):
        least = int(match[1]) - CONTROL_PIECES
        return f"--size {size}: the text has more distinct characters than that; give at least {least}"
    return f"sentencepiece could not train a vocabulary: {message}"
