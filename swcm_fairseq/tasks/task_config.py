"""The configuration of the task ``multilingual_denoising_mt``, and the parts that other tasks share."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Optional

from fairseq.dataclass import FairseqDataclass
from omegaconf import II, MISSING

from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature
from swcm_fairseq.data.noise import MaskLength
from swcm_fairseq.data.streams import Stream
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.cpu_precision import CPUPrecision
from swcm_fairseq.options import option
from swcm_fairseq.tasks.training import TrainingConfig
from swcm_fairseq.tasks.validation import EvalMetric


class Directions(Enum):
    """The directions in which pairs are translated."""

    forward = "forward"
    both = "both"


class LongDocuments(Enum):
    """How monolingual text that is too long is shortened."""

    blocks = "blocks"
    truncate = "truncate"


class SamplingUnit(Enum):
    """The unit in which corpus sizes are counted."""

    samples = "samples"
    tokens = "tokens"


class BatchGroups(Enum):
    """What all samples of a batch have in common."""

    none = "none"
    language = "language"
    corpus = "corpus"


def batch_groups(by: BatchGroups, streams: Sequence[Stream]) -> list[int] | None:
    """A number for each stream; only streams with the same number share batches. None if all may."""
    if by is BatchGroups.none:
        return None
    if by is BatchGroups.corpus:
        return list(range(len(streams)))
    langs = sorted({stream.target_lang for stream in streams})
    return [langs.index(stream.target_lang) for stream in streams]


@dataclass
class SamplingConfig(FairseqDataclass):
    """Flags that set how often each corpus is drawn; tasks of this package share them."""

    sampling_alpha: float = option(
        0.3,
        "alpha in p_i = (q_i^alpha / l_i^beta) / sum_j (q_j^alpha / l_j^beta), above 0 and up to 1; with 1, p is "
        "proportional to q",
    )
    sampling_beta: float = option(
        0.0,
        "beta in p_i, 0 to 1; l is the mean text length in tokens (CINO, Yang et al. 2022, equation 2). With "
        "1 - alpha, the number of tokens drawn is proportional to (available tokens)^alpha; 0 ignores lengths",
    )
    sampling_by: SamplingBy = option(
        SamplingBy.language,
        "language: i is a language (for pairs, the target language), whose corpora are drawn in proportion to q, as "
        "in the paper; corpus: i is a corpus, so that small corpora, such as the paper's pairs, are drawn often",
    )
    sampling_unit: SamplingUnit = option(SamplingUnit.samples, "unit in which q is counted")
    samples_per_epoch: Optional[int] = option(
        None, "number of samples per epoch (default: the number of samples in all corpora)"
    )


@dataclass
class DecodingConfig(FairseqDataclass):
    """Flags for generating text, used by :class:`~swcm_fairseq.tasks.inference.InferenceTask`."""

    source_lang: Optional[str] = option(
        None,
        "use only directions from this language, and monolingual text only if --corpora names it",
        argparse_alias="-s",
    )
    target_lang: Optional[str] = option(
        None,
        "use only directions into this language, and monolingual text only if --corpora names it",
        argparse_alias="-t",
    )
    restrict_decoding: bool = option(
        False,
        "generate only pieces that occur in the training text of the target language, as counted in the data "
        "directory; needs batches with a single target language",
    )
    cpu_precision: CPUPrecision = option(
        CPUPrecision.float32,
        "precision for generating on a CPU: float32, bfloat16, or int8 (linear layers; the rest in float32)",
    )
    cuda_graph_decoding: bool = option(
        False,
        "keep the decoder state in buffers of fixed size and replay each step of beam search as a CUDA graph; "
        "needs a GPU",
    )


def split_list(text: str | None) -> list[str]:
    """Items of a comma-separated list; [] for None or an empty string."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def language_share(text: str | None) -> tuple[str, float] | None:
    """Parse ``zh=0.25``; None for None. Raises :class:`InputError` if ``text`` does not have this form."""
    if text is None:
        return None
    lang, _, share = text.partition("=")
    try:
        return lang, float(share)
    except ValueError:
        raise InputError(f"--language-share {text}: write LANG=SHARE, such as zh=0.25") from None


def temperature(cfg: SamplingConfig) -> Temperature:
    """The sampling temperature that the flags define; raises :class:`InputError` if one is out of range."""
    by_tokens = cfg.sampling_unit is SamplingUnit.tokens
    return Temperature(cfg.sampling_alpha, cfg.sampling_beta, cfg.sampling_by, by_tokens)


@dataclass
class MultilingualDenoisingMTConfig(SamplingConfig, DecodingConfig, TrainingConfig):
    """Options of the task; the defaults are the paper's (Su et al. 2025, arXiv 2502.10852)."""

    data: str = option(MISSING, "data directory, or several separated by colons, which take turns by epoch")
    langs: Optional[str] = option(
        None,
        "language codes separated by commas, in the order of their tokens, so append new ones (default: those "
        "of the checkpoint when generating, otherwise bo,kk,mn,ug,zh)",
    )
    corpora: Optional[str] = option(
        None,
        "use only these corpora (bo, zh-bo, ti_sum) or directions (dae_bo, mt_bo-zh, as in the table at the "
        "start), separated by commas (default: all)",
    )
    directions: Optional[Directions] = option(
        None,
        "use pairs in the forward direction, as stored, or in both directions (default: both for pairs of two "
        "languages, forward for pairs within one language, such as article and title)",
    )
    translation_share: Optional[float] = option(
        None,
        "share of samples that are pairs, 0 (no translation) to 1 (no denoising) "
        "(default: set by --sampling-by and --sampling-alpha)",
    )
    language_share: Optional[str] = option(
        None,
        "share of samples with this target language, e.g. zh=0.25; the rest is drawn as usual",
    )
    train_samples: Optional[int] = option(
        None,
        "train on only N samples per corpus, the same in every run; smaller subsets are contained in "
        "larger ones (default: all)",
    )
    tokens_per_sample: Optional[int] = option(
        None,
        "maximum length of a text, including <s>, language token and </s> (default: 256; when generating, "
        "the value that the checkpoint was trained with)",
    )
    long_documents: LongDocuments = option(
        LongDocuments.blocks,
        "how to shorten longer monolingual text: cut it into blocks at sentence ends, or truncate it "
        "as in the paper; pairs are always truncated",
    )
    word_units: Optional[str] = option(
        None,
        "what counts as a word in span noise, e.g. bo=piece,zh=space: space (between spaces), tsheg (Tibetan "
        "syllables) or piece (default: tsheg for bo, piece for zh, space for others)",
    )
    mask: float = option(0.35, "share of words to mask")
    mask_length: MaskLength = option(MaskLength["span-poisson"], "unit of masking")
    poisson_lambda: float = option(3.5, "mean length of a masked span, in words")
    replace_length: int = option(1, "number of masks that replace a span: 1, 0 (none) or -1 (one per token)")
    mask_random: float = option(0.0, "share of masks that become a random piece")
    insert: float = option(0.0, "number of masks to insert, as a share of the tokens")
    rotate: float = option(0.0, "share of texts to rotate")
    permute_sentences: float = option(1.0, "share of sentences to permute")
    group_batches_by: BatchGroups = option(
        BatchGroups.none, "batch together only samples with the same target language or from the same corpus"
    )
    eval_metric: Optional[EvalMetric] = option(
        None,
        "decode at every validation and log this score for each parallel corpus (mt_zh-bo_rouge_l) and their "
        "mean (rouge_l), for --best-checkpoint-metric with --maximize-best-checkpoint-metric",
    )
    eval_samples: int = option(200, "maximum number of samples per corpus and direction that --eval-metric decodes")
    eval_args: str = option("{}", "options of fairseq-generate for --eval-metric, e.g. '{\"beam\": 1}'")
    valid_subset: str = II("dataset.valid_subset")
    batch_size_valid: Optional[int] = II("dataset.batch_size_valid")
    update_freq: list[int] = II("optimization.update_freq")  # noqa: RUF009
