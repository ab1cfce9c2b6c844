"""Text in, text out: what ``XLMSWCMModel.from_pretrained`` gives for a model of this project's task."""

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

# The options of fairseq-generate that a search is made with; every other one would be without effect here.
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
_EXPORT = "write a complete directory with swcm export, or name the data directory as third argument"

Hypotheses = list[dict[str, torch.Tensor]]


class XLMSWCMHubInterface(nn.Module):
    """A trained model, or an ensemble, that writes text; ``.cuda()`` and ``.half()`` as for every module.

    Attributes:
        models: in evaluation mode.
        task: with the dictionary and the languages.
        vocabulary: text to ids.
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
        """Where the models are."""
        return next(self.parameters()).device

    @property
    def langs(self) -> list[str]:
        """Codes of the languages that the model has tokens for."""
        return self.task.langs

    @overload
    def generate(self, texts: str, **options: Any) -> str: ...
    @overload
    def generate(self, texts: Iterable[str], **options: Any) -> list[str]: ...
    def generate(self, texts: str | Iterable[str], **options: Any) -> str | list[str]:
        """The best hypothesis of each text, in the order of the texts.

        Args:
            texts: one text, or several. For a text without a word, nothing is written.
            options: of :meth:`hypotheses`.

        Returns:
            A text for one text, a list for several; spaces and letters as ``fairseq-generate --remove-bpe
            sentencepiece`` writes them.
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
        """All hypotheses of each text, as fairseq gives them: best first, with ``tokens``, ``score`` and so on.

        Texts are decoded in batches of similar length. Those longer than the model reads are truncated, and a warning
        says how many they are.

        Args:
            texts: one text, or several.
            source_lang: the texts' language; default: what the model was loaded with.
            target_lang: the language to write; default: what the model was loaded with.
            max_tokens: the most source tokens, padding included, of a batch.
            batch_size: the most texts of a batch; default: as ``max_tokens`` allows.
            seed: of sampling; the same texts and options give the same hypotheses.
            progress_bar: show one.
            search: ``beam``, ``max_len_b`` and the other options of :data:`SEARCH_OPTIONS`, as for
                ``fairseq-generate``.

        Returns:
            a list for each text; empty for a text without a word.

        Raises:
            InputError: an unknown language or option, or something that is not text.
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
        """The text of a hypothesis' ``tokens``, int64, shape (length,)."""
        return self.task.target_dictionary.string(tokens.int().cpu(), "sentencepiece")

    def _encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids as swcm binarize makes them."""
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str):
                raise InputError(f"text {number} is {type(text).__name__}; give a text (str) or a list of texts")
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InputError(f"text {number} has half of a surrogate pair; read it as UTF-8")
        return self.vocabulary.encode(texts)

    def _search_config(self, search: Options) -> DictConfig:
        """fairseq's configuration of a search, with the options in ``search``."""
        for name in search:
            if name not in SEARCH_OPTIONS:
                raise InputError(f"unknown option {name}; there are {', '.join(SEARCH_OPTIONS)}")
        try:
            config = cast(
                DictConfig, OmegaConf.merge(OmegaConf.structured(GenerationConfig), self.cfg.generation, search)
            )
        except OmegaConfBaseException as error:
            raise InputError(f"an option of the search has a wrong type: {str(error).splitlines()[0]}") from error
        if config.beam < 1:
            raise InputError(f"beam={config.beam}: give 1 or more")
        return cast(DictConfig, config)

    @contextlib.contextmanager
    def _seeded(self, seed: int) -> Iterator[None]:
        """Sampling draws from ``seed``; afterwards torch's random state is what it was."""
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield


def _batches(dataset: LanguagePairDataset, max_tokens: int, batch_size: int | None) -> Iterator[Sample]:
    """Batches of similar length, from short to long; none for no texts."""
    if not len(dataset):
        return
    longest = int(max(dataset.src_sizes))
    if longest > max_tokens:
        raise InputError(f"max_tokens={max_tokens}: the longest text has {longest} tokens; raise it")
    rows = dataset.batch_by_size(dataset.ordered_indices(), max_tokens=max_tokens, max_sentences=batch_size)
    for row in rows:
        yield dataset.collater([dataset[int(i)] for i in row])


def load(directory: str, checkpoint_file: str, data: str, **overrides: Any) -> nn.Module:
    """Load a model that was trained, with its vocabulary.

    Args:
        directory: where the checkpoint is: an export for fairseq or for transformers, or the folder of a training; or
            the name of either export on the Hugging Face hub, ``org/name``, where there is no such directory.
        checkpoint_file: its name; several, separated by ``:``, make an ensemble.
        data: where ``dict.txt`` and ``sentencepiece.bpe.model`` are; from ``directory`` if it starts with a dot.
        overrides: options of task and model to change, e.g. ``source_lang="zh"`` or ``cpu_precision="int8"``.

    Returns:
        :class:`XLMSWCMHubInterface`; fairseq's own interface for a checkpoint of another task.

    Raises:
        InputError: a file is missing, damaged or does not fit.
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
        raise InputError(f"{folder}: no such directory; give one that swcm export has written")
    for name in checkpoint_file.split(":"):
        if not (folder / name).is_file():
            have = ", ".join(sorted(path.name for path in folder.glob("*.pt"))) or "none"
            raise InputError(f"{folder / name}: no such checkpoint (there: {have}); name it as second argument")
        read_task_state(str(folder / name))  # refuses a damaged file
    if not any(vocabulary.glob("dict*.txt")):
        raise InputError(f"{vocabulary / DICT_FILE}: missing; {_EXPORT}")
    # Older checkpoints do not have these, so they are no overrides.
    precision = CPUPrecision.of(overrides.pop("cpu_precision", CPUPrecision.float32))
    cuda_graphs = bool(overrides.pop("cuda_graph_decoding", False))
    loaded = hub_utils.from_pretrained(str(folder), checkpoint_file, data, **overrides)
    if not isinstance(loaded["task"], InferenceTask):
        return hub_utils.GeneratorHubInterface(loaded["args"], loaded["task"], loaded["models"])
    if not (vocabulary / SENTENCEPIECE_FILE).is_file():
        raise InputError(f"{vocabulary / SENTENCEPIECE_FILE}: missing; {_EXPORT}")
    loaded["task"].cfg.cpu_precision, loaded["task"].cfg.cuda_graph_decoding = precision, cuda_graphs
    return XLMSWCMHubInterface(loaded["args"], loaded["task"], loaded["models"], Vocabulary(vocabulary))
