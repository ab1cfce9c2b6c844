"""The task ``corpora_masked_lm``: masked language modeling on the corpora of a data directory.

It trains an encoder with an extended vocabulary, so that the new embedding rows learn from all languages together.
Languages are drawn with a temperature and by mean text length, as in CINO (Yang et al. 2022, arXiv 2202.13558).
"""

from dataclasses import dataclass
from typing import Optional

import torch
from fairseq import utils
from fairseq.tasks import register_task
from omegaconf import MISSING

from swcm_fairseq.checkpoint_state import TaskState
from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.directory import find_corpora, load_vocabulary
from swcm_fairseq.data.epoch_table import planned_counts
from swcm_fairseq.data.loading import Choice, ChosenCorpora
from swcm_fairseq.data.masked_dataset import MaskedDataset
from swcm_fairseq.data.mixed_dataset import Mix
from swcm_fairseq.data.streams import FRAME
from swcm_fairseq.data.vocabulary import MASK, add_special_symbols
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option
from swcm_fairseq.tasks.restored import restored_sizes, take_sizes
from swcm_fairseq.tasks.task_config import BatchGroups, SamplingConfig, batch_groups, split_list, temperature
from swcm_fairseq.tasks.training import TrainingConfig, TrainingTask


@dataclass
class CorporaMaskedLMConfig(SamplingConfig, TrainingConfig):
    """Options of the task."""

    data: str = option(MISSING, "data directory written by swcm binarize")
    corpora: Optional[str] = option(None, "use only these corpora, e.g. bo,zh (default: all)")
    tokens_per_sample: int = option(
        256, "maximum length of a text, including <s> and </s>; longer documents are cut into blocks at sentence ends"
    )
    join_documents: Optional[str] = option(
        None,
        "join the documents in these languages, e.g. zh,mn, and cut them at --tokens-per-sample, as CINO does "
        "with Chinese (default: none, so a text never spans documents)",
    )
    mask_prob: float = option(
        0.15, "share of tokens to predict; of ten, eight become <mask>, one a random piece, and one stays"
    )
    group_batches_by: BatchGroups = option(
        BatchGroups.none,
        "batch together only texts in the same language or from the same corpus (--criterion fast_masked_lm "
        "always separates languages)",
    )


@register_task("corpora_masked_lm", dataclass=CorporaMaskedLMConfig)
class CorporaMaskedLMTask(TrainingTask):
    """Masked language modeling with the sampling of ``multilingual_denoising_mt``, which resumes exactly.

    Attributes:
        dictionary: pieces and ``<mask>``.
        langs: the languages of the data directories; ``sample["lang"]`` indexes them.
        corpora: the monolingual corpora of the data directories, without pairs.
    """

    cfg: CorporaMaskedLMConfig

    def __init__(self, cfg: CorporaMaskedLMConfig):
        super().__init__(cfg)
        if not 0 < cfg.mask_prob < 1:
            raise InputError(f"--mask-prob {cfg.mask_prob}: give a share between 0 and 1")
        self.temperature = temperature(cfg)
        if cfg.tokens_per_sample <= FRAME:
            raise InputError(
                f"--tokens-per-sample {cfg.tokens_per_sample}: give more than {FRAME} to leave room for text"
            )
        self.paths = utils.split_paths(cfg.data)
        self.dictionary = MultilingualDictionary.of(load_vocabulary(self.paths[0]))
        add_special_symbols(self.dictionary, [])
        self.langs = sorted({corpus.source_lang for path in self.paths for corpus in find_corpora(path)})
        choice = Choice(
            wanted=split_list(cfg.corpora),
            translation_share=0.0,
            max_positions=cfg.tokens_per_sample,
            joined=split_list(cfg.join_documents),
        )
        unknown = sorted(set(choice.joined) - set(self.langs))
        if unknown:
            raise InputError(
                f"--join-documents {','.join(unknown)}: {cfg.data} has no text in that language; available: "
                f"{', '.join(self.langs) or 'none'}"
            )
        self.corpora = ChosenCorpora(self.paths, self.dictionary, self.langs, choice)
        # This allows checkpoints to be read as encoders without the data directory.
        self.state.merge_state_dict({"symbols": list(self.dictionary.symbols)})

    def max_positions(self) -> int:
        """Maximum length of a text, including ``<s>`` and ``</s>``."""
        return self.cfg.tokens_per_sample

    def build_model(self, cfg, from_checkpoint: bool = False):
        """Build the model with the sizes of the encoder that training starts from, if any.

        Raises:
            InputError: the checkpoint to start from is missing, has other pieces than the data or too few positions.
        """
        if not from_checkpoint:
            self.begin_training(cfg)
            sizes = restored_sizes(self.cfg, self.cfg.tokens_per_sample)
            if sizes is not None:
                take_sizes(cfg, sizes)
        return super().build_model(cfg, from_checkpoint)

    def check_restored_state(self, state: TaskState, path: str) -> None:
        """Refuse a checkpoint whose pieces differ from those of the data; raises :class:`InputError`."""
        if state.get("symbols", self.dictionary.symbols) != self.dictionary.symbols:
            raise InputError(
                f"{path}: has other pieces than {self.paths[0]}; binarize the text with the checkpoint's vocabulary"
            )

    def load_dataset(self, split: str, combine: bool = False, epoch: int = 1, **kwargs) -> None:
        """Load a split of every chosen corpus that has it.

        Args:
            split: ``train``, ``valid``, ...
            combine: whether to read ``train``, ``train1``, ... in stock directories as one split.
            epoch: number of the epoch, which selects the directory if there are several.
            kwargs: further arguments of fairseq; not used.

        Raises:
            InputError: no chosen corpus has the split, or one of its files is damaged.
        """
        cfg = self.cfg
        streams = self.corpora.load(self.paths[(epoch - 1) % len(self.paths)], split, combine)
        is_train = split == cfg.train_subset
        mix = Mix(
            cfg.seed,
            groups=[self.langs.index(stream.target_lang) for stream in streams],
            counts=planned_counts(streams, self.temperature, cfg.samples_per_epoch) if is_train else None,
            shards=len(self.paths),
            batch_groups=batch_groups(cfg.group_batches_by, streams),
        )
        self.datasets[split] = MaskedDataset(streams, self.dictionary, cfg.mask_prob, cfg.tokens_per_sample, mix)

    def keep_languages_apart(self) -> None:
        """Called by criterions that need single-language batches, before any data is loaded."""
        if self.cfg.group_batches_by is BatchGroups.none:
            self.cfg.group_batches_by = BatchGroups.language

    def language_vocabulary(self, lang: int) -> torch.Tensor | None:
        """The symbols that may be predicted in a language: the pieces in its training text and ``<mask>``.

        Args:
            lang: index of the language in ``langs``.

        Returns:
            ids, int64, ascending; None if the pieces were not counted.
        """
        pieces = self.corpora.vocabulary(self.langs[lang], self.cfg.train_subset)
        return None if pieces is None else torch.cat((pieces, torch.tensor([self.dictionary.index(MASK)])))
