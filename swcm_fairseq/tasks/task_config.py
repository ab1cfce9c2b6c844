"""The configuration of the task ``multilingual_denoising_mt``."""

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
    """Which way pairs are translated."""

    forward = "forward"
    both = "both"


class LongDocuments(Enum):
    """What is done with text that is too long."""

    blocks = "blocks"
    truncate = "truncate"


class SamplingUnit(Enum):
    """What the sizes of corpora are counted in."""

    samples = "samples"
    tokens = "tokens"


class BatchGroups(Enum):
    """What the samples of one batch have in common."""

    none = "none"
    language = "language"
    corpus = "corpus"


def batch_groups(by: BatchGroups, streams: Sequence[Stream]) -> list[int] | None:
    """A number for each stream; only samples of streams with the same number share a batch. None: all may."""
    if by is BatchGroups.none:
        return None
    if by is BatchGroups.corpus:
        return list(range(len(streams)))
    langs = sorted({stream.target_lang for stream in streams})
    return [langs.index(stream.target_lang) for stream in streams]


@dataclass
class SamplingConfig(FairseqDataclass):
    """How often each corpus is drawn: the flags that the tasks of this package share."""

    sampling_alpha: float = option(
        0.3,
        "alpha of p_i = (q_i^alpha / l_i^beta) / sum_j (q_j^alpha / l_j^beta); above 0 to 1, 1 is in proportion to q",
    )
    sampling_beta: float = option(
        0.0,
        "l is the mean length of a text in tokens (CINO, Yang et al. 2022, equation 2); 0 to 1. With "
        "1 - alpha, the tokens drawn are in proportion to (available tokens)^alpha; 0 ignores lengths",
    )
    sampling_by: SamplingBy = option(
        SamplingBy.language,
        "i is a language (that of the target, for pairs), whose corpora are drawn in proportion to q, as "
        "in the paper; or i is a corpus, so that small corpora, such as the paper's pairs, are drawn often",
    )
    sampling_unit: SamplingUnit = option(SamplingUnit.samples, "what q counts")
    samples_per_epoch: Optional[int] = option(
        None, "samples in an epoch (default: as many as all corpora have together)"
    )


@dataclass
class DecodingConfig(FairseqDataclass):
    """How text is written: what :class:`~swcm_fairseq.tasks.inference.InferenceTask` reads."""

    source_lang: Optional[str] = option(
        None, "take only directions from this language; text to denoise only if --corpora names it", argparse_alias="-s"
    )
    target_lang: Optional[str] = option(
        None, "take only directions into this language; text to denoise only if --corpora names it", argparse_alias="-t"
    )
    restrict_decoding: bool = option(
        False,
        "generate only pieces that the training text of the target language has, as counted in the data "
        "directory; needs batches of one target language",
    )
    cpu_precision: CPUPrecision = option(
        CPUPrecision.float32,
        "what to compute in when generating on a CPU: float32, bfloat16, or int8 (linear layers; all else in float32)",
    )
    cuda_graph_decoding: bool = option(
        False,
        "keep the decoder's state in buffers of fixed size and replay each step of beam search as one CUDA graph; "
        "needs a GPU",
    )


def split_list(text: str | None) -> list[str]:
    """Items separated by commas; [] for None or nothing."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def language_share(text: str | None) -> tuple[str, float] | None:
    """``zh=0.25`` as a pair, None for None; raises :class:`InputError` if it is not of that form."""
    if text is None:
        return None
    lang, _, share = text.partition("=")
    try:
        return lang, float(share)
    except ValueError:
        raise InputError(f"--language-share {text}: write LANG=SHARE, such as zh=0.25") from None


def temperature(cfg: SamplingConfig) -> Temperature:
    """What the flags mean; raises :class:`InputError` for one out of range."""
    by_tokens = cfg.sampling_unit is SamplingUnit.tokens
    return Temperature(cfg.sampling_alpha, cfg.sampling_beta, cfg.sampling_by, by_tokens)


@dataclass
class MultilingualDenoisingMTConfig(SamplingConfig, DecodingConfig, TrainingConfig):
    """Options of the task; the defaults are the paper's (Su et al. 2025, arXiv 2502.10852)."""

    data: str = option(MISSING, "data directory, or several separated by colons, which epochs use in turn")
    langs: Optional[str] = option(
        None,
        "language codes separated by commas; their order is that of their tokens, so add new ones at the "
        "end (default: the checkpoint's when one is loaded to generate, else bo,kk,mn,ug,zh)",
    )
    corpora: Optional[str] = option(
        None,
        "take only these corpora (bo, zh-bo, ti_sum) or directions as the table names them (dae_bo, "
        "mt_bo-zh), separated by commas (default: all)",
    )
    directions: Optional[Directions] = option(
        None,
        "translate pairs forward, as they are stored, or both ways (default: both for pairs of two "
        "languages, forward for pairs that share their language, such as article and title)",
    )
    translation_share: Optional[float] = option(
        None,
        "share of the samples that are pairs, 0 to 1; 0 leaves translation out, 1 leaves denoising out "
        "(default: what --sampling-by and --sampling-alpha give)",
    )
    language_share: Optional[str] = option(
        None,
        "share of the samples whose target is in one language, such as zh=0.25; the rest is drawn as usual",
    )
    train_samples: Optional[int] = option(
        None,
        "train on only N samples of each corpus, the same ones in every run; smaller subsets are contained in "
        "larger ones (default: all)",
    )
    tokens_per_sample: Optional[int] = option(
        None,
        "maximum positions of a text, including <s>, language token and </s> (default: 256; in decoding, "
        "what the checkpoint was trained with)",
    )
    long_documents: LongDocuments = option(
        LongDocuments.blocks,
        "what to do with longer text to denoise: cut it into blocks at sentence ends, or truncate it "
        "as the paper does; pairs are always truncated",
    )
    word_units: Optional[str] = option(
        None,
        "what span noise takes as a word, e.g. bo=piece,zh=space: space (between spaces), tsheg (Tibetan "
        "syllables) or piece (default: tsheg for bo, piece for zh, space for others)",
    )
    mask: float = option(0.35, "share of the words that is masked")
    mask_length: MaskLength = option(MaskLength["span-poisson"], "what is masked together")
    poisson_lambda: float = option(3.5, "mean length of a masked span, in words")
    replace_length: int = option(1, "masks that replace a span: 1, 0 (none), -1 (one per token)")
    mask_random: float = option(0.0, "share of the masks that become a random piece")
    insert: float = option(0.0, "masks to insert, as a share of the tokens")
    rotate: float = option(0.0, "share of the texts that are rotated")
    permute_sentences: float = option(1.0, "share of the sentences that are permuted")
    group_batches_by: BatchGroups = option(
        BatchGroups.none, "put only samples with the same target language, or of the same corpus, into one batch"
    )
    eval_metric: Optional[EvalMetric] = option(
        None,
        "decode at every validation and log this score of each pair corpus (mt_zh-bo_rouge_l) and their "
        "mean (rouge_l), for --best-checkpoint-metric with --maximize-best-checkpoint-metric",
    )
    eval_samples: int = option(200, "maximum samples of each corpus and direction that --eval-metric decodes")
    eval_args: str = option("{}", "options of fairseq-generate for --eval-metric, e.g. '{\"beam\": 1}'")
    valid_subset: str = II("dataset.valid_subset")
    batch_size_valid: Optional[int] = II("dataset.batch_size_valid")
    update_freq: list[int] = II("optimization.update_freq")  # noqa: RUF009
