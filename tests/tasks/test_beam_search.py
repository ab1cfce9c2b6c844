"""The search that waits once per step gives the same outputs as fairseq's loop."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq import utils
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.sequence_generator import SequenceGenerator
from torch.utils._python_dispatch import TorchDispatchMode

from swcm_fairseq.errors import InputError
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.tasks.beam_search import BeamSearchGenerator, RepeatBlock
from swcm_fairseq.tasks.decoder_steps import StaticSteps
from tests.waits import Waits

SIZE: dict[str, Any] = {
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
}


class Operators(TorchDispatchMode):
    """Records which operators run, with the shapes of their tensors."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        shapes = [each.shape for each in args if isinstance(each, torch.Tensor)]
        self.names.append((str(func), shapes))
        return func(*args, **(kwargs or {}))


class FairseqsRepeatBlock(NGramRepeatBlock):
    """fairseq's block, which sees only the generated tokens."""

    def forward(self, tokens, lprobs, bsz, beam_size, step):
        written = tokens[:, : step + 1]
        if self.no_repeat_ngram_size == 1:
            return lprobs.scatter(1, written, -torch.inf)
        return self._no_repeat_ngram(written, lprobs, bsz, beam_size, step)


@pytest.fixture
def task(make_task):
    return make_task()


@pytest.fixture
def build(task):
    """Build a model whose outputs end at various lengths."""

    def build(seed: int = 0) -> XLMSWCMModel:
        torch.manual_seed(seed)
        model = XLMSWCMModel.from_config(
            XLMSWCMConfig(**SIZE, normal_layer_interval=1, output_matrix="own"), task.dictionary
        ).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                noise = torch.randn_like(parameter)
                parameter.copy_(1 + 0.2 * noise if "norm" in name and "weight" in name else 0.3 * noise)
            bias = model.decoder.layers[-1].final_layer_norm.bias  # in all features
            model.output_weight[task.dictionary.eos()] = 3.0 * bias
        return model

    return build


@pytest.fixture
def batch(task):
    task.load_dataset("test")
    dataset = task.dataset("test")
    return dataset.collater([dataset[i] for i in range(8)])


def both(task, models, batch, monkeypatch, prefix=None, **options):
    """Hypotheses of our loop and of fairseq's; checks that each ran."""
    search = SimpleNamespace(**{"beam": 3, "max_len_a": 0, "max_len_b": 9, **options})
    generator = task.build_generator(models, search)
    ours = generator.generate(models, batch, prefix_tokens=prefix)
    asked = []
    fairseqs = SequenceGenerator._generate
    monkeypatch.setattr(BeamSearchGenerator, "_is_plain", lambda *_: False)
    monkeypatch.setattr(SequenceGenerator, "_generate", lambda *args, **kw: (asked.append(1), fairseqs(*args, **kw))[1])
    if generator.repeat_ngram_blocker is not None:
        generator.repeat_ngram_blocker = FairseqsRepeatBlock(options["no_repeat_ngram_size"])
    theirs = generator.generate(models, batch, prefix_tokens=prefix)
    assert asked == [1], "fairseq's loop did not run, or ran for ours, too"
    return ours, theirs


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert [hypothesis["tokens"].tolist() for hypothesis in one] == [h["tokens"].tolist() for h in other]
        for a, b in zip(one, other, strict=True):
            assert a.keys() == b.keys()
            assert torch.equal(a["positional_scores"], b["positional_scores"])
            torch.testing.assert_close(a["score"], b["score"], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beam": 1},
        {"beam": 5, "lenpen": 2.0},
        {"lenpen": 0.0},
        {"unnormalized": True},
        {"min_len": 4},
        {"max_len_a": 0.2, "max_len_b": 2},
        {"unkpen": -3.0, "temperature": 0.7},
        {"no_repeat_ngram_size": 1},
        {"no_repeat_ngram_size": 2},
        {"no_repeat_ngram_size": 3, "beam": 5},
    ],
    ids=str,
)
def test_the_same_hypotheses(task, build, batch, monkeypatch, options):
    ours, theirs = both(task, [build()], batch, monkeypatch, **options)
    assert_same(ours, theirs)
    lengths = {len(hypothesis["tokens"]) for hypotheses in ours for hypothesis in hypotheses}
    assert len(lengths) > 1, "all hypotheses ended together, so the test shows nothing"


def test_ensembles(task, build, batch, monkeypatch):
    assert_same(*both(task, [build(0), build(1)], batch, monkeypatch))


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("beam", [1, 3])
def test_prefixes(task, build, batch, monkeypatch, beam, ended):
    """Prefixes of several lengths, also with ``</s>`` in them."""
    prefix = batch["target"][:, 1:4].clone()
    prefix[0, 1:] = prefix[1] = task.dictionary.pad()
    if ended:
        prefix[2, 1], prefix[2, 2] = task.dictionary.eos(), task.dictionary.pad()
    ours, theirs = both(task, [build()], batch, monkeypatch, prefix=prefix, beam=beam)
    assert_same(ours, theirs)
    assert [row[0]["tokens"][0].item() for row in ours[2:]] == prefix[2:, 0].tolist()


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_restricted_decoding_and_precisions(make_task, build, batch, monkeypatch, precision):
    task = make_task(corpora="dae_bo")
    task.load_dataset("test")
    dataset = task.dataset("test")
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: torch.arange(6, 25))
    task.cfg.restrict_decoding, task.cfg.cpu_precision = True, precision
    sample = dataset.collater([dataset[i] for i in range(4)])
    ours, theirs = both(task, [build()], sample, monkeypatch, no_repeat_ngram_size=2)
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    "options", [{"sampling": True, "sampling_topk": 5}, {"diversity_rate": 0.5}, {"match_source_len": True}], ids=str
)
def test_other_searches_are_fairseqs(task, build, batch, monkeypatch, options):
    generator = task.build_generator([build()], SimpleNamespace(**{"beam": 2, "max_len_b": 9, **options}))
    assert not generator._is_plain(None)
    assert len(generator.generate([], batch)) == len(batch["id"])


def test_attention_weights_are_fairseqs(task, build):
    model = build()
    generator = task.build_generator([model], SimpleNamespace(beam=2, max_len_b=9))
    assert generator._is_plain(None) and not generator._is_plain(torch.zeros(1, 1))
    model.make_generation_fast_(need_attn=True)
    assert not generator._is_plain(None)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_blocked_ngrams(size):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, (6, 12), generator=generator)
    for step in range(11):
        lprobs = torch.randn(6, 5, generator=generator)
        expected = FairseqsRepeatBlock(size)(tokens, lprobs.clone(), 3, 2, step)
        assert torch.equal(RepeatBlock(size)(tokens, lprobs.clone(), 3, 2, step), expected)


@pytest.mark.parametrize("options", [{}, {"beam": 1}, {"no_repeat_ngram_size": 2}, {"prefix": True}], ids=str)
def test_a_step_waits_once(task, build, batch, options):
    """The only wait asks which candidates end; model, cache, order, prefix, n-grams and ended hypotheses add none."""
    prefix = batch["target"][:, 1:4] if options.pop("prefix", False) else None
    models = [build()]
    generator = task.build_generator(models, SimpleNamespace(**{"beam": 3, "max_len_a": 0, "max_len_b": 9, **options}))
    counts = []
    step = generator.search.step
    with Waits() as waits:
        generator.search.step = lambda *rest: (counts.append(waits.total), step(*rest))[1]
        hypotheses = generator.generate(models, batch, prefix_tokens=prefix)
    between = [later - earlier for earlier, later in itertools.pairwise(counts)]
    assert len(between) == 10 and set(between) == {1}, between
    assert waits.total - len(counts) <= 5, waits.counts  # before and after the loop
    assert len({len(found[0]["tokens"]) for found in hypotheses}) > 1, "all sentences ended together"


def static_and_growing(task, models, batch, **options):
    """Hypotheses of the search with static buffers and with growing ones."""
    prefix = options.pop("prefix", None)
    generator = task.build_generator(models, SimpleNamespace(**{"beam": 3, "max_len_a": 0, "max_len_b": 9, **options}))
    growing = generator.generate(models, batch, prefix_tokens=prefix)
    generator.static_steps = True
    return generator.generate(models, batch, prefix_tokens=prefix), growing


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert [hypothesis["tokens"].tolist() for hypothesis in one] == [h["tokens"].tolist() for h in other]
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a["positional_scores"], b["positional_scores"], rtol=0, atol=1e-5)
            torch.testing.assert_close(a["score"], b["score"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beam": 1},
        {"beam": 5, "lenpen": 2.0},
        {"min_len": 4, "temperature": 0.7},
        {"no_repeat_ngram_size": 2},
        {"prefix": True},
    ],
    ids=str,
)
def test_static_buffers(task, build, batch, options):
    """Sentences end one by one but stay in the batch; each model of an ensemble has its own buffers."""
    if "prefix" in options:
        options = {"prefix": batch["target"][:, 1:4]}
    for models in ([build()], [build(0), build(1)]):
        static, growing = static_and_growing(task, models, batch, **options)
        assert_close(static, growing)
        assert len({len(found[0]["tokens"]) for found in growing}) > 1, "all sentences ended together"


def test_static_buffers_never_move(task, build, batch):
    """As CUDA graphs require, every step has the same tensors and operators, and never waits."""
    models = [build()]
    generator = task.build_generator(models, SimpleNamespace(beam=3, max_len_a=0, max_len_b=9))
    generator.static_steps = True
    steps = []
    compute = StaticSteps._compute

    def watched(self):
        with Waits() as waits, Operators() as operators:
            output = compute(self)
        assert waits.total == 0, waits.counts
        state = [tensor.data_ptr() for saved in self._states[0].values() for tensor in saved.values()]
        steps.append((state, operators.names, output.shape))
        return output

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticSteps, "_compute", watched)
        generator.generate(models, batch)
    assert len(steps) == 11
    assert all(step == steps[1] for step in steps[1:]), "only the first step, which is not captured, may differ"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("options", [{}, {"beam": 1}, {"no_repeat_ngram_size": 2}], ids=str)
def test_cuda_graphs(task, build, batch, options):
    models, batch = [build().cuda()], utils.move_to_cuda(batch)
    task.cfg.cuda_graph_decoding = True
    static, growing = static_and_growing(task, models, batch, **options)
    assert_close(static, growing)


def test_cuda_graphs_are_refused(make_task, task, build, batch):
    task.cfg.cuda_graph_decoding = True
    with pytest.raises(InputError, match="--cuda-graph-decoding needs a GPU"):
        task.build_generator([build()], SimpleNamespace(beam=2))
    with pytest.raises(InputError, match="--cuda-graph-decoding is only for generation; remove it from training"):
        task.build_model(XLMSWCMConfig(**SIZE))
    task.cfg.cuda_graph_decoding = False
    generator = task.build_generator([build()], SimpleNamespace(beam=2, max_len_b=9, sampling=True))
    generator.static_steps = True
    with pytest.raises(InputError, match="--cuda-graph-decoding works only for plain beam search"):
        generator.generate([], batch)


def test_a_minimum_above_the_maximum(task, build, batch):
    generator = task.build_generator([build()], SimpleNamespace(beam=2, max_len_a=0, max_len_b=3, min_len=9))
    with pytest.raises(InputError, match="--min-len"):
        generator.generate([], batch)
