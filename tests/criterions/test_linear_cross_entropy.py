import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

from swcm_fairseq.criterions import linear_cross_entropy as module
from swcm_fairseq.criterions.linear_cross_entropy import linear_cross_entropy, rows_per_chunk, torch_applies


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
def test_half_precision_accumulates_in_float32(dtype):
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


@pytest.mark.parametrize("per_row", [True, False])
def test_no_rows_and_no_gradient(per_row):
    features, weight, target = operands()
    empty = linear_cross_entropy(features[:0], weight, target[:0], per_row=per_row)
    empty.loss.backward()
    assert empty.loss == 0 and weight.grad.abs().sum() == 0
    with torch.no_grad():
        assert not linear_cross_entropy(features, weight, target, per_row=per_row).loss.requires_grad


def test_torch_is_used_only_for_what_it_can_do():
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
    """What CUDA does with half precision, on a CPU: factors are rounded, products add up in float32."""

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
