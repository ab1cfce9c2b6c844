"""Encoders from fairseq checkpoints: current and 2019 RoBERTa, masked_lm, and our own model."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models.masked_lm import MaskedLMModel, bert_base_architecture
from fairseq.models.roberta import RobertaModel
from fairseq.models.roberta.model import base_architecture

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.read import read_encoder

ARGS = {
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "max_positions": 40,
    "tokens_per_sample": 40,
}
BATCH = torch.tensor([[0, 5, 9, 30, 2], [0, 7, 2, 1, 1]])
REAL = BATCH.ne(1)


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(1 + 0.2 * noise if "norm.weight" in name else 0.3 * noise)
    return model.eval()


def roberta(dictionary: Dictionary) -> tuple[RobertaModel, Namespace]:
    args = Namespace(**ARGS)
    base_architecture(args)
    return randomised(RobertaModel.build_model(args, Namespace(source_dictionary=dictionary))), args


def hidden(model) -> torch.Tensor:
    with torch.no_grad():
        return model.encoder(BATCH)["encoder_out"][0].transpose(0, 1)[REAL]


def save(directory: Path, dictionary: Dictionary, model: dict, **state) -> Path:
    """Write a checkpoint and dict.txt, which lacks the dictionary's last symbol, <mask>."""
    directory.mkdir(exist_ok=True)
    path = directory / "checkpoint_last.pt"
    torch.save({"model": model, **state}, path)
    pieces = Dictionary()
    for symbol in dictionary.symbols[4:-1]:
        pieces.add_symbol(symbol)
    pieces.save(str(directory / "dict.txt"))
    return path


def expected(model: RobertaModel) -> torch.Tensor:
    with torch.no_grad():
        return model(BATCH, features_only=True)[0][REAL]


def test_roberta(start, dictionary, tmp_path):
    model, args = roberta(dictionary)
    path = save(tmp_path, dictionary, model.half().state_dict(), cfg={"model": args, "task": {}})
    model.float()
    ours, report = start(path)
    torch.testing.assert_close(hidden(ours), expected(model), atol=1e-5, rtol=0)
    assert report.rows["copied by piece"] == len(dictionary)


def test_dictionary_in_the_data_directory(start, dictionary, tmp_path):
    model, args = roberta(dictionary)
    data = tmp_path / "data-bin"
    path = save(data, dictionary, model.state_dict(), cfg={"model": vars(args), "task": {"data": str(data)}})
    moved = tmp_path / "elsewhere.pt"
    path.rename(moved)
    ours, _ = start(moved)
    torch.testing.assert_close(hidden(ours), expected(model), atol=1e-5, rtol=0)
    (data / "dict.txt").unlink()
    with pytest.raises(InputError, match=r"its dictionary is missing; put it at .*dict\.txt or .*dict\.txt"):
        read_encoder(moved)


def test_names_of_2019(start, dictionary, tmp_path):
    """XLM-R's published model.pt: decoder prefix, joined projections, emb_layer_norm, and args instead of cfg."""
    model, args = roberta(dictionary)
    state = {}
    for name, tensor in model.state_dict().items():
        if ".self_attn." in name and "_proj" in name and "out_proj" not in name:
            continue
        old = name.replace("encoder.", "decoder.", 1).replace("layernorm_embedding", "emb_layer_norm")
        state[old] = tensor
    for i in range(2):
        attention = model.encoder.sentence_encoder.layers[i].self_attn
        for part in ("weight", "bias"):
            joined = torch.cat([getattr(attention, f"{x}_proj").get_parameter(part) for x in "qkv"])
            state[f"decoder.sentence_encoder.layers.{i}.self_attn.in_proj_{part}"] = joined.detach()
    save(tmp_path, dictionary, state, args=args).rename(tmp_path / "model.pt")
    ours, _ = start(tmp_path)  # the directory, as in XLM-R's publication
    torch.testing.assert_close(hidden(ours), expected(model), atol=1e-5, rtol=0)


def test_masked_lm(start, dictionary, tmp_path):
    args = Namespace(**ARGS, share_encoder_input_output_embed=True, no_token_positional_embeddings=False)
    args.sent_loss, args.num_segment = False, 2
    bert_base_architecture(args)
    model = randomised(MaskedLMModel.build_model(args, Namespace(dictionary=dictionary)))
    path = save(tmp_path, dictionary, model.state_dict(), cfg={"model": args, "task": {}})
    ours, _ = start(path)
    with torch.no_grad():
        states, _ = model.encoder.sentence_encoder(BATCH, last_state_only=True)
    torch.testing.assert_close(hidden(ours), states[-1].transpose(0, 1)[REAL], atol=1e-5, rtol=0)


def test_prenorm_is_refused(start, dictionary, tmp_path):
    args = Namespace(**ARGS, encoder_normalize_before=True, layernorm_embedding=False)
    base_architecture(args)
    model = RobertaModel.build_model(args, Namespace(source_dictionary=dictionary))
    path = save(tmp_path, dictionary, model.state_dict(), cfg={"model": args, "task": {}})
    with pytest.raises(InputError, match="layernorm_embedding"):
        start(path)


def test_dictionary_of_another_size(dictionary, tmp_path):
    model, args = roberta(dictionary)
    path = save(tmp_path, dictionary, model.state_dict(), cfg={"model": args, "task": {}})
    with (tmp_path / "dict.txt").open("a") as file:
        file.write("one 1\ntwo 1\n")
    with pytest.raises(InputError, match=r"dict\.txt: \d+ symbols for the \d+ embedding rows"):
        read_encoder(path)


def own_checkpoint(model, dictionary, tmp_path) -> Path:
    path = tmp_path / "own.pt"
    options = {key: value for key, value in vars(model.cfg).items() if key.startswith("encoder_")}
    state = {"model": model.state_dict(), "cfg": {"model": options}, "task_state": {"symbols": dictionary.symbols}}
    torch.save(state, path)
    return path


@pytest.fixture
def own(start, dictionary, tmp_path):
    """One of our models, with random weights and BERT's epsilon, and its checkpoint."""
    source, _ = start(Path(__file__).with_name("fixtures") / "bert")
    randomised(source)
    return source, own_checkpoint(source, dictionary, tmp_path)


def reordered(dictionary: Dictionary) -> Dictionary:
    other = Dictionary()
    for symbol in [*reversed(dictionary.symbols[4:]), "<bo>"]:
        other.add_symbol(symbol)
    return other


def test_own_checkpoint_encoder_only(start, dictionary, own):
    source, path = own
    ours, _ = start(path)
    assert torch.equal(hidden(ours), hidden(source))
    assert ours.decoder.layer_norm_eps == 1e-12
    assert not torch.equal(ours.decoder.layers[0].fc3.weight, source.decoder.layers[0].fc3.weight)


def test_own_checkpoint_without_a_decoder(start, own):
    source, path = own
    state = torch.load(path, weights_only=True)
    state["model"] = {name: tensor for name, tensor in state["model"].items() if name.startswith("encoder.")}
    torch.save(state, path)
    ours, _ = start(path)
    assert torch.equal(hidden(ours), hidden(source))


def test_own_checkpoint_whole_with_another_vocabulary(start, dictionary, own):
    source, path = own
    other = reordered(dictionary)
    ours, report = start(path, other, pretrained_decoder=True)
    for name, parameter in ours.named_parameters():
        if "embed_tokens" not in name:
            assert torch.equal(parameter, source.get_parameter(name)), name
    rows = [dictionary.index(symbol) for symbol in other.symbols[:-1]]
    assert torch.equal(ours.output_weight[:-1], source.output_weight[rows])
    assert report.rows["new"] == 1


def test_own_checkpoint_of_another_layout_is_refused(start, own):
    _, path = own
    with pytest.raises(InputError, match=r"the tensor decoder\.layers\.2\..* does not belong to the decoder"):
        start(path, pretrained_decoder=True, normal_layer_interval=0)
    with pytest.raises(InputError, match=r"no tensor for layers\.2\.fc3\S* of the decoder"):
        start(path, pretrained_decoder=True, normal_layer_interval=1)


def test_untied_checkpoint_in_a_tied_architecture_is_refused(start, dictionary, tmp_path):
    source, _ = start(Path(__file__).with_name("fixtures") / "xlmr", separate_embeddings=True)
    path = own_checkpoint(randomised(source), dictionary, tmp_path)
    with pytest.raises(InputError, match=r"encoder\.embed_tokens\.weight and decoder\.embed_tokens\.weight differ"):
        start(path, pretrained_decoder=True)


def test_an_encoder_has_no_decoder(start):
    with pytest.raises(InputError, match="remove --pretrained-decoder"):
        start(Path(__file__).with_name("fixtures") / "xlmr", pretrained_decoder=True)
