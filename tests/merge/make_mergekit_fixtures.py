"""Write tests/merge/fixtures: three tiny XLM-R encoders, and MergeKit's results for them.

    python tests/merge/make_mergekit_fixtures.py

This script needs mergekit (0.1.5) and transformers (5.x); the tests do not. Every case is a complete run of MergeKit on
Hugging Face directories; CASES lists the options that the test gives to both sides.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaConfig, XLMRobertaModel

OUT = Path(__file__).with_name("fixtures")
CONFIG = XLMRobertaConfig(
    vocab_size=24,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=10,
    type_vocab_size=1,
    bos_token_id=0,
    pad_token_id=1,
    eos_token_id=2,
)
WEIGHTS = ".weight"
# case -> method, options of the whole merge, weight and density of each model
CASES: dict[str, tuple[str, dict, list[float], list[float] | None]] = {
    "linear": ("linear", {}, [0.3, 0.9], None),
    "linear, not normalized": ("linear", {"normalize": False}, [0.3, 0.5], None),
    "ties": ("ties", {}, [1.0, 1.0], [0.2, 1.0]),
    "ties, weights and lambda": ("ties", {"lambda": 0.7}, [1.0, 0.4], [0.35, 0.6]),
    "ties, not normalized": ("ties", {"normalize": False, "lambda": 0.5}, [0.8, 0.6], [0.5, 0.01]),
    "task arithmetic": ("task_arithmetic", {"lambda": 0.9}, [0.6, 0.5], None),
}


def models() -> dict[str, XLMRobertaModel]:
    """A base and two models trained from it: one changed slightly everywhere, one changed more in half the values."""
    torch.manual_seed(1)
    found = {name: XLMRobertaModel(CONFIG, add_pooling_layer=True) for name in ("base", "a", "b")}
    with torch.no_grad():
        for name, model in found.items():
            model.load_state_dict(found["base"].state_dict())
            for parameter in model.parameters():
                noise = torch.randn_like(parameter)
                if name == "a":
                    parameter += 0.01 * noise
                elif name == "b":
                    parameter += 0.015 * noise * (torch.rand_like(parameter) < 0.5)
    return found


def recipe(place: Path, method: str, options: dict, weights: list[float], densities: list[float] | None) -> dict:
    """MergeKit's configuration."""
    entries = []
    for i, name in enumerate("ab"):
        parameters = {"weight": weights[i]} | ({} if densities is None else {"density": densities[i]})
        entries.append({"model": str(place / name), "parameters": parameters})
    base = {} if method == "linear" else {"base_model": str(place / "base")}
    return {"merge_method": method, "models": entries, "parameters": options, "dtype": "float32", **base}


def main() -> None:
    """Make the models, run MergeKit on each case, and save the tensors."""
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    OUT.mkdir(exist_ok=True)
    expected = {}
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        for name, model in models().items():
            model.save_pretrained(place / name)
            shutil.copy(place / name / "model.safetensors", OUT / f"{name}.safetensors")
        shutil.copy(place / "base/config.json", OUT / "config.json")
        for number, (case, (method, options, weights, densities)) in enumerate(CASES.items()):
            config = MergeConfiguration.model_validate(recipe(place, method, options, weights, densities))
            run_merge(config, str(place / f"out{number}"), MergeOptions(copy_tokenizer=False))
            for tensor_name, tensor in load_file(place / f"out{number}/model.safetensors").items():
                expected[f"{case}/{tensor_name}"] = tensor
    save_file(expected, OUT / "expected.safetensors")
    (OUT / "cases.json").write_text(json.dumps(CASES, indent=1) + "\n", encoding="utf-8")
    print(yaml.safe_dump({name: list(tensor.shape) for name, tensor in load_file(OUT / "a.safetensors").items()}))


if __name__ == "__main__":
    main()
