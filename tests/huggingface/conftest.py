"""Small exported models with a real vocabulary, and fairseq's results with them for comparison."""

import copy
import json
import os
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY
from omegaconf import OmegaConf

from swcm_fairseq.data.vocabulary import load_dictionary
from swcm_fairseq.export import export_huggingface
from swcm_fairseq.interop.hf_names import empty_model, first_names, hf_name, hf_options
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from tests.commands import run

ROOT = Path(__file__).resolve().parents[2]
LANGS = ("bo", "kk", "mn", "ug", "zh")
DIRECTIONS = (("zh", "bo"), ("bo", "zh"), ("kk", "zh"), ("zh", "mn"), ("ug", "zh"))
SENTENCES = 40  # per direction
POSITIONS = 64
SMALL = {
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "normal_layer_interval": 2,
    "max_source_positions": POSITIONS,
    "max_target_positions": POSITIONS,
}
TRAIN = (
    *("--task", "multilingual_denoising_mt", "--arch", "xlm_swcm", "--criterion", "swcm_cross_entropy"),
    *(part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", value)),
    *("--tokens-per-sample", POSITIONS, "--optimizer", "adam", "--lr", "1e-3", "--batch-size", 8, "--max-update", 1),
    *("--cpu", "--num-workers", 0, "--disable-validation", "--no-epoch-checkpoints", "--no-progress-bar"),
)
# The layout of every ablation, as differences from SMALL.
LAYOUTS: dict[str, dict[str, Any]] = {
    "paper": {},
    "plain": {"plain_decoder": True},
    "base_a": {"normal_layer_interval": 0},
    "base_b": {"duplicate_inserted_layers": True},
    "base_b_tied": {"duplicate_inserted_layers": True, "tie_duplicates": True},
    "tied_self_attention": {"tie_self_attention": True, "normal_layer_interval": 1},
    "tied_ffn": {"tie_ffn": True, "normal_layer_interval": 1},
    "tied": {"tie_self_attention": True, "tie_ffn": True, "duplicate_inserted_layers": True},
    "released": {"decoder_ends_with": "inherited", "output_matrix": "own"},
    "separate": {"separate_embeddings": True},
    "separate_own": {"separate_embeddings": True, "output_matrix": "own"},
    "relu": {"activation_fn": "relu", "max_source_positions": 128},
}  # fmt: skip
SIZES = ("xlm_swcm_tiny", "xlm_swcm_small", "xlm_swcm_base", "xlm_swcm_large", "xlm_swcm_released")
VERSIONS = ("oldest", "newest")

collect_ignore = ["with_transformers"]  # runs in separate environments


@pytest.fixture(scope="session")
def data_bin(tmp_path_factory, sample_data) -> Path:
    """Pairs of Chinese and four languages, and their vocabulary."""
    root = tmp_path_factory.mktemp("huggingface-data")
    texts = [f"{lang}={sample_data}/mono.{lang}.train.txt" for lang in LANGS]
    run("python", "-m", "preprocess.vocab", "--input", *texts, "--size", 2000, "--output", root / "vocab")
    pairs = [
        part
        for lang in LANGS[:4]
        for split in ("train", "test")
        for part in (
            "--pair",
            f"zh-{lang}:{split}={sample_data}/zh-{lang}.{split}.zh,{sample_data}/zh-{lang}.{split}.{lang}",
        )
    ]
    run("python", "-m", "preprocess.binarize", "--vocab", root / "vocab", "--output", root / "data-bin", *pairs)
    return root / "data-bin"


def draw(model: XLMSWCMModel) -> None:
    """Draw weights that make outputs differ between sentences and end at many lengths."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            scale = 0.3 if "embed_tokens" in name else 0.2
            is_norm = "norm" in name and name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if is_norm else scale * noise)
        decoder: Any = model.decoder
        bias = decoder.layers[-1].final_layer_norm.bias
        decoder.output_projection.weight[2] = 3.4 * bias / bias.norm() ** 2  # </s>


@pytest.fixture(scope="session")
def checkpoint(data_bin, tmp_path_factory) -> Path:
    """A checkpoint of fairseq-train with new random weights."""
    folder = tmp_path_factory.mktemp("huggingface-checkpoint")
    run("fairseq-train", data_bin, *TRAIN, "--save-dir", folder)
    path = folder / "checkpoint_last.pt"
    return layout_checkpoint(path, path, {})


def layout_checkpoint(template: Path, path: Path, changes: dict[str, Any]) -> Path:
    """Write ``template`` with changed model options and new weights to ``path``."""
    state = torch.load(template, weights_only=True)
    state["cfg"]["model"].update(changes)
    options = {field.name: state["cfg"]["model"][field.name] for field in fields(XLMSWCMConfig)}
    dictionary = load_dictionary(Path(state["cfg"]["task"]["data"]) / "dict.txt")
    for symbol in state["task_state"]["symbols"][len(dictionary) :]:
        dictionary.add_symbol(symbol)
    model = XLMSWCMModel.from_config(XLMSWCMConfig(**options), dictionary)
    draw(model)
    if changes:
        for half in (model.encoder, model.decoder):
            half.set_layer_norm_eps(1e-6)
    state["model"] = model.state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def exports(checkpoint, data_bin, sample_data, tmp_path_factory) -> Path:
    """A directory with ``LAYOUT/export``, ``LAYOUT/reference.pt``, ``outputs.json`` and ``sizes.json``."""
    root = tmp_path_factory.mktemp("huggingface-exports")
    batch = None
    for name, changes in LAYOUTS.items():
        path = layout_checkpoint(checkpoint, root / name / "checkpoint_last.pt", changes) if changes else checkpoint
        export_huggingface(path, root / name / "export")
        hub: Any = XLMSWCMModel.from_pretrained(str(path.parent), path.name, str(data_bin))
        if batch is None:
            texts = (sample_data / "zh-bo.test.zh").read_text("utf-8").splitlines()
            (root / "outputs.json").write_text(json.dumps(outputs(hub, sample_data), ensure_ascii=False), "utf-8")
            batch = [torch.from_numpy(ids[:40]) for ids in hub.vocabulary.encode(texts[:12])]
        torch.save(reference(hub.models[0], hub.task, batch), root / name / "reference.pt")
    (root / "sizes.json").write_text(json.dumps(sizes(checkpoint)), "utf-8")
    return root


def outputs(hub: Any, sample: Path) -> list[dict[str, Any]]:
    """Outputs of fairseq's search for real sentences in five languages, and their ids."""
    rows: list[dict[str, Any]] = []
    for source, target in DIRECTIONS:
        pair = f"zh-{target if source == 'zh' else source}"
        texts = (sample / f"{pair}.test.{source}").read_text("utf-8").splitlines()[:SENTENCES]
        ids = [each.tolist() for each in hub.vocabulary.encode(texts)]
        for search in ({"beam": 1}, {"beam": 5}, {"beam": 5, "max_len_b": 8}, {"beam": 3, "lenpen": 0.3, "min_len": 4}):
            best = [found[0] for found in hub.hypotheses(texts, source_lang=source, target_lang=target, **search)]
            row = {"source": source, "target": target, "texts": texts, "ids": ids, "search": search}
            row["outputs"] = [hub.decode(hypothesis["tokens"]) for hypothesis in best]
            row["scores"] = [float(hypothesis["score"]) for hypothesis in best]
            rows.append(row)
    return rows


def reference(model: XLMSWCMModel, task: Any, texts: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Encoder states, logits and loss of a batch with padding: the first half of the texts into the second.

    ``bfloat16`` has the logits of the same model in bfloat16.
    """
    half, pad = len(texts) // 2, task.dictionary.pad()
    source_lang, target_lang = torch.tensor([task.language_id("zh")]), torch.tensor([task.language_id("bo")])
    bos, eos = torch.tensor([task.dictionary.bos()]), torch.tensor([task.dictionary.eos()])
    padded = torch.nn.utils.rnn.pad_sequence
    source = padded([torch.cat((bos, source_lang, text, eos)) for text in texts[:half]], True, pad)
    target = padded([torch.cat((bos, target_lang, text)) for text in texts[half:]], True, pad)
    labels = padded([torch.cat((target_lang, text, eos)) for text in texts[half:]], True, -100)
    lengths = source.ne(pad).sum(1)
    with torch.no_grad():
        states = model.encoder(source, lengths)["encoder_out"][0].transpose(0, 1).contiguous()
        logits, _ = model(source, lengths, target)
        rounded, _ = copy.deepcopy(model).bfloat16()(source, lengths, target)
    predicted = labels.masked_fill(labels == target_lang, -100)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), predicted.flatten())
    return {
        **{"source": source, "target": target, "labels": labels},
        **{"states": states, "logits": logits, "loss": loss, "bfloat16": rounded},
    }


def sizes(checkpoint: Path) -> dict[str, Any]:
    """For every named size, the options in ``config.json`` and the shapes of all tensors."""
    symbols = torch.load(checkpoint, weights_only=True)["task_state"]["symbols"]
    found = {}
    for arch in SIZES:
        config = MODEL_DATACLASS_REGISTRY[arch]()
        first = first_names(model := empty_model(config, symbols))
        parameters = dict(model.named_parameters(remove_duplicate=False))
        shapes = {hf_name(name): list(parameters[name].shape) for name in dict.fromkeys(first.values())}
        options = cast(dict, OmegaConf.to_container(OmegaConf.create(hf_options(config)), enum_to_str=True))
        found[arch] = {"config": {**options, "vocab_size": len(symbols)}, "shapes": shapes}
    return found


@pytest.fixture(scope="session")
def in_transformers(exports, tmp_path_factory):
    """Run the checks of ``with_transformers`` in an environment; return pytest's process and the folder of its files.

    The fixture is a function of the environment's name; each environment runs once.
    """
    done: dict[str, tuple[subprocess.CompletedProcess, Path]] = {}

    def run_once(version: str) -> tuple[subprocess.CompletedProcess, Path]:
        python = ROOT / ".venv-transformers" / version / "bin" / "python"
        if not python.exists():
            pytest.skip(f"transformers ({version}) is not installed: make .venv-transformers")
        if version not in done:
            written = tmp_path_factory.mktemp(f"transformers-{version}")
            done[version] = (_run_checks(python, exports, written), written)
        return done[version]

    return run_once


def _run_checks(python: Path, exports: Path, written: Path) -> subprocess.CompletedProcess:
    here = Path(__file__).parent / "with_transformers"
    options = [
        "-c",
        str(here / "pytest.ini"),
        "--rootdir",
        str(here),
        "--confcutdir",
        str(here),
        "-p",
        "no:cacheprovider",
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "SWCM_EXPORTS": str(exports),
        "SWCM_WRITTEN": str(written),
        "HF_HOME": str(written / "cache"),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [str(python), "-m", "pytest", *options, str(here)]
    return subprocess.run(command, env=environment, cwd=written, capture_output=True, text=True)
