"""Masked language modeling on corpora: masking, sampling, exact resume, and continued training of an encoder."""

import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models.roberta import RobertaModel
from fairseq.models.roberta.model import base_architecture
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from swcm_fairseq.data.masked_dataset import mask_tokens
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.fairseq_checkpoint import EPS
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.interop.write import write_encoder
from swcm_fairseq.interop.write_fairseq import epsilon_note, roberta_options, write_roberta
from swcm_fairseq.tasks.corpora_masked_lm import CorporaMaskedLMConfig, CorporaMaskedLMTask
from tests.tasks.conftest import NODES
from tests.tasks.task_data import random_texts, write_dictionary, write_indexed

FIXTURES = Path(__file__).parents[1] / "interop/fixtures"
MASK, PAD = 99, 1


@given(length=st.integers(1, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_targets_are_the_text(length, share, seed):
    text = np.arange(4, 4 + length)
    source, target = mask_tokens(text, share, MASK, range(4, 99), PAD, np.random.default_rng(seed))
    predicted = target != PAD
    assert predicted.any() and abs(predicted.sum() - share * length) <= 1
    assert np.array_equal(target[predicted], text[predicted])
    assert np.array_equal(source[~predicted], text[~predicted])
    assert ((source == MASK) | ((source >= 4) & (source < 99))).all()


def test_shares_of_masks_random_pieces_and_kept_tokens():
    text = np.full(100_000, 5)
    source, target = mask_tokens(text, 0.2, MASK, range(6, 99), PAD, np.random.default_rng(0))
    hidden = source[target != PAD]
    shares = [(hidden == MASK).mean(), (hidden == 5).mean(), ((hidden > 5) & (hidden < MASK)).mean()]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


@pytest.fixture
def make(data_bin):
    def make_task(**options) -> CorporaMaskedLMTask:
        values = {"data": str(data_bin), "seed": 1, "train_subset": "train", **NODES, **options}
        known = {key: values[key] for key in CorporaMaskedLMConfig.__dataclass_fields__ if key in values}
        cfg = OmegaConf.merge(OmegaConf.structured(CorporaMaskedLMConfig), known)
        task = CorporaMaskedLMTask.setup_task(cfg)
        task.load_dataset("train")
        return task

    return make_task


def test_samples_depend_only_on_seed_and_epoch(make):
    first, second = make().dataset("train"), make().dataset("train")
    first.set_epoch(3)
    _ = [first[i] for i in range(len(first))]
    first.set_epoch(2)
    second.set_epoch(2)
    for i in (5, 0, 5):
        assert torch.equal(first[i]["source"], second[i]["source"])
        assert torch.equal(first[i]["target"], second[i]["target"])
    second.set_epoch(3)
    assert any(not torch.equal(first[i]["source"], second[i]["source"]) for i in range(10))


def test_pairs_are_left_out_and_texts_have_no_language(make):
    task = make()
    dataset, dictionary = task.dataset("train"), task.dictionary
    assert [stream.group for stream in dataset.streams] == ["dae_bo", "dae_zh"]
    assert dictionary.symbols[-1] == "<mask>"
    for i in range(len(dataset)):
        sample = dataset[i]
        restored = torch.where(sample["target"].eq(dictionary.pad()), sample["source"], sample["target"])
        text, _ = dataset.streams[dataset.stream_of[i]].body(int(dataset.index_of[i]))
        assert restored.tolist() == [dictionary.bos(), *text.tolist(), dictionary.eos()]


def test_with_beta_the_tokens_of_a_language_are_drawn_with_the_temperature(make):
    """Equation 3 of CINO: the tokens seen are proportional to (number of tokens)^alpha."""
    dataset = make(sampling_alpha=0.5, sampling_beta=0.5, samples_per_epoch=20_000).dataset("train")
    texts = [stream.target.sizes[dataset.index_of[dataset.stream_of == k]] for k, stream in enumerate(dataset.streams)]
    seen = np.array([sizes.sum() for sizes in texts])
    tokens = np.array([stream.tokens for stream in dataset.streams])
    assert seen[1] / seen[0] == pytest.approx((tokens[1] / tokens[0]) ** 0.5, rel=0.01)


def test_documents_of_some_languages_are_joined(make, caplog):
    caplog.set_level("INFO")
    bo, zh = make(join_documents="zh", tokens_per_sample=53).dataset("train").streams
    assert set(zh.target.sizes[:-1]) == {50} and len(bo) == 40
    assert f"train dae_zh: 80 documents are joined and cut into {len(zh)} texts of 50 tokens" in caplog.messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_prob": 0.0}, "--mask-prob 0.0: give a share"),
        ({"sampling_beta": -1.0}, "--sampling-beta -1.0"),
        ({"tokens_per_sample": 3}, "--tokens-per-sample 3"),
        ({"samples_per_epoch": 0}, "--samples-per-epoch 0"),
        ({"corpora": "kk"}, "kk"),
        ({"join_documents": "zh,kk"}, "--join-documents kk: .* has no text in that language; available: bo, zh$"),
    ],
)
def test_bad_input_is_refused(make, options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_a_checkpoint_of_other_pieces_is_refused(make, tmp_path):
    write_roberta(read_encoder(FIXTURES / "xlmr"), tmp_path / "start.pt")
    for path, message in ((tmp_path / "start.pt", "has other pieces than"), (tmp_path / "none.pt", "no such file")):
        with pytest.raises(InputError, match=message):
            make(finetune_from_model=str(path), save_dir=str(tmp_path / "run")).build_model(None)


# --- from an encoder's directory to RoBERTa and back ---


def stock_roberta(path: Path) -> RobertaModel:
    """fairseq's own model with the weights of a checkpoint, loaded strictly."""
    state = torch.load(path, weights_only=True)
    args = Namespace(**state["cfg"]["model"])
    base_architecture(args)
    symbols = state["task_state"]["symbols"]
    dictionary = Dictionary()
    for symbol in symbols[4:]:
        dictionary.add_symbol(symbol)
    model = RobertaModel.build_model(args, Namespace(source_dictionary=dictionary))
    model.load_state_dict(state["model"], strict=True)
    return model.eval()


def test_fairseqs_own_model_has_the_same_hidden_states(tmp_path):
    write_roberta(read_encoder(FIXTURES / "xlmr"), tmp_path / "model.pt")
    expected = np.load(FIXTURES / "xlmr/expected.npz")
    tokens = torch.from_numpy(expected["input_ids"])
    with torch.no_grad():
        found = stock_roberta(tmp_path / "model.pt")(tokens, features_only=True)[0]
    real = tokens.ne(1)
    torch.testing.assert_close(found[real], torch.from_numpy(expected["last_hidden_state"])[real], atol=1e-5, rtol=0)


def test_there_and_back_with_the_head(tmp_path):
    weights = read_encoder(FIXTURES / "xlmr")
    rows, width = weights.tensors["embed_tokens.weight"].shape
    weights.head = {
        "dense.weight": torch.randn(width, width),
        "dense.bias": torch.randn(width),
        "layer_norm.weight": torch.randn(width),
        "layer_norm.bias": torch.randn(width),
        "bias": torch.randn(rows),
    }
    write_roberta(weights, tmp_path / "model.pt")
    back = read_encoder(tmp_path / "model.pt")
    write_encoder(back, tmp_path / "directory", FIXTURES / "xlmr/sentencepiece.bpe.model")
    for found in (back, read_encoder(tmp_path / "directory")):
        assert found.symbols == weights.symbols
        assert {**found.tensors, **found.head}.keys() == {**weights.tensors, **weights.head}.keys()
        for name, tensor in {**weights.tensors, **weights.head}.items():
            assert torch.equal({**found.tensors, **found.head}[name], tensor), name
    assert roberta_options(back) == roberta_options(weights)


def test_another_epsilon_is_reported():
    assert epsilon_note(read_encoder(FIXTURES / "xlmr")) is None
    assert f"1e-12 becomes {EPS:g}" in str(epsilon_note(read_encoder(FIXTURES / "bert")))


OPTIONS = """
    --user-dir swcm_fairseq --task corpora_masked_lm --criterion masked_lm --arch roberta_base
    --tokens-per-sample 40 --optimizer adam --lr 1e-3 --cpu --batch-size 8 --num-workers 1 --log-format json
    --log-interval 1 --no-epoch-checkpoints --disable-validation
"""


@pytest.mark.e2e
def test_training_continues_from_an_encoder_and_resumes_exactly(run_fairseq, tmp_path):
    """Six updates equal four plus two; sizes follow the encoder, and the result can serve as an encoder again."""
    data = tmp_path / "data-bin"
    symbols = read_encoder(FIXTURES / "xlmr").symbols
    write_dictionary(data / "dict.txt", symbols[4:-1])
    for number, lang in enumerate(("bo", "zh")):
        write_indexed(data / lang / "train", random_texts(20, 60, number, len(symbols) - 5))
    write_roberta(read_encoder(FIXTURES / "xlmr"), tmp_path / "start.pt")

    def train(name, updates):
        options = ["--finetune-from-model", tmp_path / "start.pt", "--max-update", updates]
        return run_fairseq("train", data, *OPTIONS.split(), *options, "--save-dir", tmp_path / name).stdout

    assert "loading pretrained model from" in train("whole", 6)
    train("parts", 4)
    (tmp_path / "start.pt").unlink()  # a resumed run does not need it
    shutil.copytree(tmp_path / "parts", tmp_path / "parts.bak")
    train("parts", 6)
    whole, parts = (
        torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=True)["model"] for name in ("whole", "parts")
    )
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    trained = read_encoder(tmp_path / "whole/checkpoint_last.pt")
    before = read_encoder(FIXTURES / "xlmr")
    assert trained.symbols == symbols and trained.head
    moved = (trained.tensors["layers.0.fc1.weight"] - before.tensors["layers.0.fc1.weight"]).abs().max()
    assert 0 < moved < 0.02
