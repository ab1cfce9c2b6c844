import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from swcm_fairseq.criterions import linear_cross_entropy as module
from swcm_fairseq.criterions.linear_cross_entropy import (
    default_chunk_rows,
    linear_cross_entropy,
    rows_per_chunk,
    torch_applies,
)
from swcm_fairseq.errors import InputError


def operands(rows=11, words=37, width=8, dtype=torch.float32):
    torch.manual_seed(1)
    features = torch.randn(rows, width, dtype=dtype, requires_grad=True)
    weight = torch.randn(words, width, dtype=dtype, requires_grad=True)
    return features, weight, torch.randint(words, (rows,))


def stock(features, weight, target, smoothing):
    lprobs = (features @ weight.t()).log_softmax(dim=-1)
    loss, _ = label_smoothed_nll_loss(lprobs, target, smoothing)
    return loss, -lprobs.gather(1, target.unsqueeze(1)).squeeze(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("chunk_rows", [1, 4, 11, 100])
@pytest.mark.parametrize("per_row", [True, False])
def test_equals_fairseq(smoothing, chunk_rows, per_row):
    features, weight, target = operands()
    loss, nll = stock(features, weight, target, smoothing)
    expected = torch.autograd.grad(loss * 3, [features, weight])
    result = linear_cross_entropy(features, weight, target, smoothing, chunk_rows, per_row)
    torch.testing.assert_close(result.loss, loss, rtol=1e-5, atol=0)
    if per_row:
        torch.testing.assert_close(result.row_nll, nll, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(result.row_loss.sum(), loss, rtol=1e-5, atol=0)
    torch.testing.assert_close(result.nll, nll.sum(), rtol=1e-5, atol=0)
    for ours, theirs in zip(torch.autograd.grad(result.loss * 3, [features, weight]), expected, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


def test_float64_agrees_to_its_last_digits():
    features, weight, target = operands(dtype=torch.float64)
    loss, _ = stock(features, weight, target, 0.1)
    result = linear_cross_entropy(features, weight, target, 0.1, 3)
    torch.testing.assert_close(result.loss, loss, rtol=1e-13, atol=0)
    expected = torch.autograd.grad(loss, [features, weight])
    for ours, theirs in zip(torch.autograd.grad(result.loss, [features, weight]), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_accumulates_in_float32(dtype, monkeypatch):
    """On a CPU without bfloat16 arithmetic, every product is computed in float32."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    features, weight, target = operands(rows=400, words=300)
    half = [t.detach().to(dtype).requires_grad_() for t in (features, weight)]
    exact = [t.detach().float().requires_grad_() for t in half]
    ours = linear_cross_entropy(*half, target, 0.1, 16)
    theirs = linear_cross_entropy(*exact, target, 0.1, 400)
    assert ours.loss.dtype == ours.row_nll.dtype == torch.float32
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-5, atol=0)
    gradients = torch.autograd.grad(ours.loss, half)
    assert [g.dtype for g in gradients] == [dtype, dtype]
    for mine, reference in zip(gradients, torch.autograd.grad(theirs.loss, exact), strict=True):
        torch.testing.assert_close(mine, reference.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


def test_bfloat16_arithmetic_of_a_cpu(monkeypatch):
    """The loss is exact; gradients use factors and products in bfloat16."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    features, weight, target = operands(rows=40, words=3000)
    half = [t.detach().bfloat16().requires_grad_() for t in (features, weight)]
    exact = [t.detach().float().requires_grad_() for t in half]
    ours, theirs = linear_cross_entropy(*half, target, 0.1, 16), linear_cross_entropy(*exact, target, 0.1, 40)
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-5, atol=0)
    references = torch.autograd.grad(theirs.loss * 64, exact)
    for mine, reference in zip(torch.autograd.grad(ours.loss * 64, half), references, strict=True):
        assert (mine.float() - reference).norm() <= 4 * torch.finfo(torch.bfloat16).eps * reference.norm()


@pytest.mark.parametrize("per_row", [True, False])
def test_no_rows_and_no_gradient(per_row):
    features, weight, target = operands()
    empty = linear_cross_entropy(features[:0], weight, target[:0], per_row=per_row)
    empty.loss.backward()
    assert empty.loss == 0 and weight.grad.abs().sum() == 0
    with torch.no_grad():
        assert not linear_cross_entropy(features, weight, target, per_row=per_row).loss.requires_grad


def test_torch_is_used_only_for_supported_inputs():
    features, _, _ = operands()
    able = hasattr(torch.nn.functional, "linear_cross_entropy")
    assert torch_applies(features, 0.0, per_row=False) == able
    assert not torch_applies(features, 0.1, per_row=False)
    assert not torch_applies(features, 0.0, per_row=True)
    assert not torch_applies(features.bfloat16(), 0.0, per_row=False)
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch_applies(features, 0.0, per_row=False)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_products(dtype, monkeypatch):
    """Emulates CUDA's half precision on a CPU: factors are rounded, products are summed in float32."""

    def widening(left, right, out=None):
        return torch.mm(left.float(), right.float(), out=out)

    monkeypatch.setattr(module, "operands", lambda features, weight: (features.detach(), weight.detach()))
    monkeypatch.setattr(module, "matmul", widening)
    features, weight, target = operands(rows=40, words=3000)
    half = [t.detach().to(dtype).requires_grad_() for t in (features, weight)]
    exact = [t.detach().float().requires_grad_() for t in half]
    ours = linear_cross_entropy(*half, target, 0.1, 16)
    theirs = linear_cross_entropy(*exact, target, 0.1, 40)
    assert ours.loss.dtype == torch.float32
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=torch.finfo(dtype).eps, atol=0)
    references = torch.autograd.grad(theirs.loss * 64, exact)
    for mine, reference in zip(torch.autograd.grad(ours.loss * 64, half), references, strict=True):
        assert mine.dtype == dtype
        assert (mine.float() - reference).norm() <= 4 * torch.finfo(dtype).eps * reference.norm()


@pytest.mark.parametrize("frozen", [0, 1])
def test_either_side_may_be_frozen(frozen):
    *both, target = operands()
    linear_cross_entropy(*both, target, 0.1).loss.backward()
    expected = both[1 - frozen].grad.clone()
    both[frozen].requires_grad_(False).grad = None
    both[1 - frozen].grad = None
    linear_cross_entropy(*both, target, 0.1).loss.backward()
    assert both[frozen].grad is None
    assert torch.equal(both[1 - frozen].grad, expected)


def test_a_second_backward_is_refused():
    features, weight, target = operands()
    loss = linear_cross_entropy(features, weight, target).loss
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        loss.backward()


def test_rows_per_chunk():
    assert rows_per_chunk(135_364, 256) == 495
    assert rows_per_chunk(10**9, 1) == 1


@pytest.mark.parametrize("chunk_rows", [0, -5])
def test_a_chunk_has_rows(chunk_rows):
    with pytest.raises(InputError, match="give 1 or more"):
        linear_cross_entropy(*operands(), chunk_rows=chunk_rows)


def test_default_chunks():
    assert 2000 <= default_chunk_rows(135_364, torch.device("cuda")) <= 4000
    assert default_chunk_rows(135_364, torch.device("cpu")) == rows_per_chunk(135_364, 256)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [64, 100, 135_364])
def test_rows_of_logits_are_aligned(dtype, width):
    rows = module.aligned_rows(3, width, dtype, torch.device("cpu"))
    assert rows.shape == (3, width)
    assert rows.stride(0) * rows.element_size() % 128 == 0 and rows.stride(0) - width < 64


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_to_be_compiled_is_the_loss(smoothing, dtype):
    """Loss, nll and scaled gradient; in float32, the gradient replaces the logits, in half precision it does not."""
    torch.manual_seed(0)
    logits, target = 3 * torch.randn(7, 101), torch.randint(101, (7,))
    results = []
    for loss_of_rows in (module._loss_, module._fusible_loss):
        own = module.aligned_rows(7, 101, torch.float32, logits.device).copy_(logits)
        gradient = own if dtype == torch.float32 else module.aligned_rows(7, 101, dtype, logits.device)
        results.append((*loss_of_rows(own, target, smoothing, 16.0, gradient), gradient.clone().float()))
        own.copy_(logits)
        again = loss_of_rows(own, target, smoothing, 16.0, None)
        assert all(torch.equal(a, b) for a, b in zip(again, results[-1][:2], strict=True))
    for eager, fusible in zip(*results, strict=True):
        torch.testing.assert_close(fusible, eager, rtol=1e-5 if dtype == torch.float32 else 8e-3, atol=1e-6)


def test_the_loss_is_one_graph(monkeypatch):
    """Traced as on a GPU, where the compiler generates kernels: no graph breaks, and shapes may change."""
    loss = module._FusedLoss(backend="eager")
    monkeypatch.setattr(module, "fused_loss", lambda: loss)
    features, weight, target = operands(rows=23)
    for chunk_rows in (8, 10):
        expected = linear_cross_entropy(features, weight, target, 0.1, chunk_rows, fused=False)
        gradients = torch.autograd.grad(expected.loss, [features, weight])
        ours = linear_cross_entropy(features, weight, target, 0.1, chunk_rows, fused=True)
        assert loss._compiled is not None, "the compiler failed"
        torch.testing.assert_close(ours.loss, expected.loss, rtol=1e-5, atol=0)
        for mine, theirs in zip(torch.autograd.grad(ours.loss, [features, weight]), gradients, strict=True):
            assert (mine - theirs).norm() <= 1e-5 * theirs.norm()


def test_a_compiler_that_fails_is_reported_and_done_without(monkeypatch, caplog):
    def fail(*_):
        raise torch._dynamo.exc.TorchDynamoException("no space left\nmore")

    loss = module._FusedLoss()
    loss._compiled = fail
    monkeypatch.setattr(module, "fused_loss", lambda: loss)
    both = operands()
    for _ in range(2):
        found = linear_cross_entropy(*both, 0.1, 4, fused=True)
        torch.testing.assert_close(found.loss, linear_cross_entropy(*both, 0.1, 4, fused=False).loss, rtol=0, atol=0)
    assert [record.message.endswith("no space left") for record in caplog.records] == [True]
