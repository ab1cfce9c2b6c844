"""mBART is converted to another vocabulary piece by piece, and nothing else changes."""

import shutil
from pathlib import Path

import pytest
import torch

from swcm_fairseq.data.languages import DEFAULT_LANGS, language_token
from swcm_fairseq.data.vocabulary import load_dictionary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop import mbart
from tests.interop.mbart_support import dictionary_of, write_mbart

SENTENCEPIECE = Path(__file__).with_name("fixtures") / "xlmr" / "sentencepiece.bpe.model"


@pytest.fixture
def pieces(dictionary):
    return [symbol for symbol in dictionary.symbols[4:] if symbol != "<mask>"]


@pytest.fixture
def vocab(tmp_path, pieces):
    """Some pieces of mBART in another order, and two new ones that pieces of mBART can spell."""
    (tmp_path / "vocab").mkdir()
    dictionary_of([*pieces[20:5:-1], "▁abcdeabcde", "中国人民大学天地"]).save(str(tmp_path / "vocab/dict.txt"))
    return tmp_path / "vocab"


def convert(tmp_path, vocab, *options):
    output = tmp_path / "out" / "checkpoint.pt"
    mbart.main([str(tmp_path / "mbart"), "--vocab", str(vocab), "--output", str(output), *options])
    return torch.load(output, weights_only=True)


def test_rows_follow_their_piece(tmp_path, vocab, pieces, capsys):
    old = write_mbart(tmp_path / "mbart", pieces).state_dict()
    state = convert(tmp_path, vocab)
    new, symbols = state["model"], state["task_state"]["symbols"]
    assert symbols == [*load_dictionary(vocab / "dict.txt").symbols, "<mask>", *map(language_token, DEFAULT_LANGS)]
    rows = {symbol: i for i, symbol in enumerate([*dictionary_of(pieces).symbols, "[kk_KZ]", "<mask>"])}
    table = new["encoder.embed_tokens.weight"]
    for i, symbol in enumerate(symbols):
        if symbol in rows:
            assert torch.equal(table[i], old["encoder.embed_tokens.weight"][rows[symbol]])
    fresh = [i for i, symbol in enumerate(symbols) if symbol not in rows]
    assert len(fresh) == 2 + len(DEFAULT_LANGS)
    assert 0.015 < table[fresh].std() < 0.025
    assert torch.equal(new["decoder.embed_tokens.weight"], table)
    assert torch.equal(new["decoder.output_projection.weight"], table)
    others = old.keys() - set(mbart.token_tables(old))
    assert len(others) == len(old) - 3
    assert all(torch.equal(new[name], old[name]) for name in others)
    unused = len(rows) - 20
    assert f"20 copied by piece, 7 new, {unused} of mBART not used" in capsys.readouterr().out


def test_new_rows_are_the_mean_of_their_pieces(tmp_path, vocab, pieces):
    write_mbart(tmp_path / "mbart", pieces, SENTENCEPIECE)
    drawn = convert(tmp_path, vocab)
    made = convert(tmp_path, vocab, "--new-rows-from-pieces")
    table, before = (state["model"]["encoder.embed_tokens.weight"] for state in (made, drawn))
    symbols = made["task_state"]["symbols"]
    changed = [symbol for symbol, a, b in zip(symbols, table, before, strict=True) if not torch.equal(a, b)]
    assert changed == ["▁abcdeabcde", "中国人民大学天地"]


def no_directory(tmp_path):
    shutil.rmtree(tmp_path / "mbart")


def no_dictionary(tmp_path):
    (tmp_path / "mbart/dict.txt").unlink()


def cut_off(tmp_path):
    path = tmp_path / "mbart/model.pt"
    path.write_bytes(path.read_bytes()[:2000])


def another_dictionary(tmp_path):
    with (tmp_path / "mbart/dict.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"new{i} 1\n" for i in range(3))


def encoder_only(tmp_path):
    state = torch.load(tmp_path / "mbart/model.pt", weights_only=True)
    state["model"] = {name: tensor for name, tensor in state["model"].items() if name.startswith("encoder.")}
    torch.save(state, tmp_path / "mbart/model.pt")


def not_shared(tmp_path):
    state = torch.load(tmp_path / "mbart/model.pt", weights_only=True)
    state["model"]["decoder.embed_tokens.weight"] = state["model"]["decoder.embed_tokens.weight"] + 1
    torch.save(state, tmp_path / "mbart/model.pt")


def no_vocabulary(tmp_path):
    (tmp_path / "vocab/dict.txt").unlink()


def foreign_vocabulary(tmp_path):
    dictionary_of(["nothing", "shared"]).save(str(tmp_path / "vocab/dict.txt"))


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (no_directory, "mbart: no such directory"),
        (no_dictionary, "dict.txt: no such dictionary"),
        (cut_off, "model.pt: not a checkpoint, or a damaged one"),
        (another_dictionary, "it belongs to another model"),
        (encoder_only, "not a checkpoint of a fairseq encoder-decoder"),
        (not_shared, "only shared embeddings"),
        (no_vocabulary, "vocab/dict.txt: no such dictionary"),
        (foreign_vocabulary, "no piece of the dictionary"),
    ],
)
def test_bad_input(tmp_path, vocab, pieces, damage, what):
    write_mbart(tmp_path / "mbart", pieces)
    damage(tmp_path)
    with pytest.raises(InputError, match=what):
        convert(tmp_path, vocab)
    assert not list((tmp_path / "out").glob("*"))


def test_bad_options(tmp_path, vocab, pieces):
    write_mbart(tmp_path / "mbart", pieces)
    with pytest.raises(InputError, match="not a language code"):
        convert(tmp_path, vocab, "--langs", "bo,Kazakh!")
    argv = [str(tmp_path / "mbart"), "--vocab", str(vocab), "--output", str(tmp_path / "mbart/model.pt")]
    with pytest.raises(InputError, match="overwrite its own input"):
        mbart.main(argv)


@pytest.mark.parametrize(
    ("pieces", "millions"),
    [(250_001, 610.8), (135_359, 493.4)],  # its own pieces, or CINO's; <mask> and five languages are added
)
def test_sizes_in_the_report(pieces, millions):
    """mbart.cc25: 12 + 12 layers, hidden size 1,024, pre-norm; the paper's 611M is with mBART's own vocabulary."""
    width, inner = 1024, 4096
    attention, norm = 4 * (width**2 + width), 2 * width
    ffn = 2 * width * inner + inner + width
    layers = 12 * (attention + ffn + 2 * norm) + 12 * (2 * attention + ffn + 3 * norm)
    tables = (pieces + 6) * width + 2 * (1024 + 2) * width
    assert round((layers + tables + 4 * norm) / 1e6, 1) == millions
