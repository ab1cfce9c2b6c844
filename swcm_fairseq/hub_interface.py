"""Text in, text out: the interface that ``XLMSWCMModel.from_pretrained`` returns for models of this project's task."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from fairseq import hub_utils, utils
from fairseq.data import LanguagePairDataset
from fairseq.dataclass.configs import GenerationConfig
from fairseq.models import BaseFairseqModel
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from tqdm import tqdm

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.data.sample import Sample
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.hf_read import is_exported, write_checkpoint
from swcm_fairseq.interop.hub import MODEL_FILES, download, is_name
from swcm_fairseq.models.cpu_precision import CPUPrecision
from swcm_fairseq.tasks.inference import InferenceTask
from swcm_fairseq.tasks.language_generator import LanguageGenerator
from swcm_fairseq.tasks.restored import read_task_state

# The search options of fairseq-generate; other options would have no effect here.
SEARCH_OPTIONS = (
    "beam",
    "max_len_a",
    "max_len_b",
    "min_len",
    "lenpen",
    "unkpen",
    "unnormalized",
    "temperature",
    "no_repeat_ngram_size",
    "match_source_len",
    "sampling",
    "sampling_topk",
    "sampling_topp",
    "diversity_rate",
    "diverse_beam_groups",
    "diverse_beam_strength",
)
_EXPORT = "write a complete directory with swcm export, or give the data directory as the third argument"

Hypotheses = list[dict[str, torch.Tensor]]


class XLMSWCMHubInterface(nn.Module):
    """A trained model, or an ensemble, that generates text; ``.cuda()`` and ``.half()`` work as for every module.

    Attributes:
        models: the models, in evaluation mode.
        task: the task, with dictionary and languages.
        vocabulary: converts text to ids.
    """

    def __init__(
        self, cfg: DictConfig, task: InferenceTask, models: Sequence[BaseFairseqModel], vocabulary: Vocabulary
    ):
        super().__init__()
        self.cfg, self.task, self.vocabulary = cfg, task, vocabulary
        for model in models:
            model.prepare_for_inference_(cfg)
        self.models = nn.ModuleList(models)
        self.eval()

    @property
    def device(self) -> torch.device:
        """The device of the models."""
        return next(self.parameters()).device

    @property
    def langs(self) -> list[str]:
        """Codes of the languages for which the model has tokens."""
        return self.task.langs

    @overload
    def generate(self, texts: str, **options: Any) -> str: ...
    @overload
    def generate(self, texts: Iterable[str], **options: Any) -> list[str]: ...
    def generate(self, texts: str | Iterable[str], **options: Any) -> str | list[str]:
        """The best hypothesis of each text, in the order of the texts.

        Args:
            texts: one text, or several. For a text without words, the output is empty.
            options: options of :meth:`hypotheses`.

        Returns:
            One text, or a list if ``texts`` is a list; with the same spaces and letters as the output of
            ``fairseq-generate --remove-bpe sentencepiece``.
        """
        if isinstance(texts, str):
            return self.generate([texts], **options)[0]
        return [self.decode(found[0]["tokens"]) if found else "" for found in self.hypotheses(texts, **options)]

    @torch.no_grad()
    def hypotheses(
        self,
        texts: str | Iterable[str],
        *,
        source_lang: str | None = None,
        target_lang: str | None = None,
        max_tokens: int = 8192,
        batch_size: int | None = None,
        seed: int = 1,
        progress_bar: bool = False,
        **search: Any,
    ) -> list[Hypotheses]:
        """All hypotheses for each text, as fairseq returns them: best first, with ``tokens``, ``score`` and so on.

        Texts are decoded in batches of similar length. Texts that are too long for the model are truncated, and a
        warning gives their number.

        Args:
            texts: one text, or several.
            source_lang: language of the texts; by default, the one that the model was loaded with.
            target_lang: language to generate; by default, the one that the model was loaded with.
            max_tokens: maximum number of source tokens per batch, padding included.
            batch_size: maximum number of texts per batch; by default, limited only by ``max_tokens``.
            seed: seed for sampling; the same texts and options give the same hypotheses.
            progress_bar: whether to show a progress bar.
            search: ``beam``, ``max_len_b`` and the other options in :data:`SEARCH_OPTIONS`, as for
                ``fairseq-generate``.

        Returns:
            a list for each text; empty for a text without words.

        Raises:
            InputError: a language or option is unknown, or an input is not text.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        generator = self.task.build_generator(self.models, self._search_config(search))
        tokens = [torch.from_numpy(ids) for ids in self._encode(texts)]
        places = [place for place, ids in enumerate(tokens) if len(ids)]
        dataset = self.task.build_dataset_for_inference(
            [tokens[place] for place in places], None, source_lang=source_lang, target_lang=target_lang
        )
        found: list[Hypotheses] = [[] for _ in texts]
        with self._seeded(seed), tqdm(total=len(places), unit="text", disable=not progress_bar) as bar:
            for batch in _batches(dataset, max_tokens, batch_size):
                sample = utils.apply_to_sample(lambda tensor: tensor.to(self.device), batch)
                for i, hypos in zip(batch["id"].tolist(), self._decode_batch(generator, sample), strict=True):
                    found[places[i]] = hypos
                bar.update(len(batch["id"]))
        return found

    def _decode_batch(self, generator: LanguageGenerator, sample: Sample) -> list[Hypotheses]:
        return self.task.inference_step(generator, list(self.models), sample)

    def decode(self, tokens: torch.Tensor) -> str:
        """The text for the ``tokens`` of a hypothesis, int64, shape (length,)."""
        return self.task.target_dictionary.string(tokens.int().cpu(), "sentencepiece")

    def _encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of the texts, as written by swcm binarize."""
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str):
                raise InputError(f"text {number} is of type {type(text).__name__}; give a str or a list of str")
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InputError(f"text {number} contains half of a surrogate pair; read it as UTF-8")
        return self.vocabulary.encode(texts)

    def _search_config(self, search: Options) -> DictConfig:
        """fairseq's search configuration, with the options in ``search``."""
        for name in search:
            if name not in SEARCH_OPTIONS:
                raise InputError(f"unknown option {name}; available: {', '.join(SEARCH_OPTIONS)}")
        try:
            config = cast(
                DictConfig, OmegaConf.merge(OmegaConf.structured(GenerationConfig), self.cfg.generation, search)
            )
        except OmegaConfBaseException as error:
            raise InputError(f"a search option has the wrong type: {str(error).splitlines()[0]}") from error
        if config.beam < 1:
            raise InputError(f"beam={config.beam}: give 1 or more")
        return cast(DictConfig, config)

    @contextlib.contextmanager
    def _seeded(self, seed: int) -> Iterator[None]:
        """Seed sampling with ``seed`` inside the block, and restore torch's random state afterwards."""
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield


def _batches(dataset: LanguagePairDataset, max_tokens: int, batch_size: int | None) -> Iterator[Sample]:
    """Batches of texts of similar length, from short to long; none if there are no texts."""
    if not len(dataset):
        return
    longest = int(max(dataset.src_sizes))
    if longest > max_tokens:
        raise InputError(f"max_tokens={max_tokens}: the longest text has {longest} tokens; raise max_tokens")
    rows = dataset.batch_by_size(dataset.ordered_indices(), max_tokens=max_tokens, max_sentences=batch_size)
    for row in rows:
        yield dataset.collater([dataset[int(i)] for i in row])


def load(directory: str, checkpoint_file: str, data: str, **overrides: Any) -> nn.Module:
    """Load a trained model and its vocabulary.

    Args:
        directory: the directory of the checkpoint: an export for fairseq or transformers, or the save directory of a
            training. If there is no such directory, the name of an export on the Hugging Face hub, ``org/name``.
        checkpoint_file: name of the checkpoint; several names, separated by ``:``, form an ensemble.
        data: directory with ``dict.txt`` and ``sentencepiece.bpe.model``; relative to ``directory`` if it starts with
            a dot.
        overrides: options of task and model to change, e.g. ``source_lang="zh"`` or ``cpu_precision="int8"``.

    Returns:
        :class:`XLMSWCMHubInterface`, or fairseq's own interface for checkpoints of other tasks.

    Raises:
        InputError: a file is missing or damaged, or does not fit.
    """
    folder = Path(directory)
    if not folder.is_dir() and is_name(directory):
        folder = download(directory, None, MODEL_FILES, "XLMSWCMModel.from_pretrained")
    if is_exported(folder) and not (folder / checkpoint_file).is_file():
        with tempfile.TemporaryDirectory() as converted:
            write_checkpoint(folder, Path(converted))
            return load(converted, checkpoint_file, data, **overrides)
    vocabulary = folder / data if data.startswith(".") else Path(data)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such directory; give one written by swcm export")
    for name in checkpoint_file.split(":"):
        if not (folder / name).is_file():
            have = ", ".join(sorted(path.name for path in folder.glob("*.pt"))) or "none"
            raise InputError(
                f"{folder / name}: no such checkpoint (available: {have}); give its name as the second argument"
            )
        read_task_state(str(folder / name))  # raises if the file is damaged
    if not any(vocabulary.glob("dict*.txt")):
        raise InputError(f"{vocabulary / DICT_FILE}: missing; {_EXPORT}")
    # Older checkpoints do not have these options, so they cannot be overridden.
    precision = CPUPrecision.of(overrides.pop("cpu_precision", CPUPrecision.float32))
    cuda_graphs = bool(overrides.pop("cuda_graph_decoding", False))
    loaded = hub_utils.from_pretrained(str(folder), checkpoint_file, data, **overrides)
    if not isinstance(loaded["task"], InferenceTask):
        return hub_utils.GeneratorHubInterface(loaded["args"], loaded["task"], loaded["models"])
    if not (vocabulary / SENTENCEPIECE_FILE).is_file():
        raise InputError(f"{vocabulary / SENTENCEPIECE_FILE}: missing; {_EXPORT}")
    loaded["task"].cfg.cpu_precision, loaded["task"].cfg.cuda_graph_decoding = precision, cuda_graphs
    return XLMSWCMHubInterface(loaded["args"], loaded["task"], loaded["models"], Vocabulary(vocabulary))
