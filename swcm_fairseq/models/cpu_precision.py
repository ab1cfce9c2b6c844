"""``--cpu-precision``: faster decoding on a CPU in lower precision."""

from enum import Enum

import torch
from torch import nn

from swcm_fairseq.errors import InputError
from swcm_fairseq.int8 import Int8Linear
from swcm_fairseq.models.attention import Attention
from swcm_fairseq.models.model import XLMSWCMModel


class CPUPrecision(Enum):
    """The precision in which a model computes on a CPU."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    int8 = "int8"

    @classmethod
    def of(cls, name: "CPUPrecision | str") -> "CPUPrecision":
        """The precision called ``name``.

        Raises:
            InputError: ``name`` is unknown.
        """
        try:
            return name if isinstance(name, cls) else cls(name)
        except ValueError as error:
            choices = ", ".join(precision.value for precision in cls)
            raise InputError(f"--cpu-precision {name}: choose {choices}") from error


@torch.no_grad()
def set_cpu_precision(model: nn.Module, precision: CPUPrecision) -> None:
    """Switch ``model`` to ``precision``; repeating the call has no effect.

    bfloat16 applies to the whole model. int8 applies to the linear layers; embeddings, norms, softmax and attention
    stay in float32. A model in int8 can only decode.

    Raises:
        InputError: the model is on a GPU; or, for int8, the model is not from this package or torch has no int8
            products for this processor.
    """
    if precision is CPUPrecision.float32:
        return
    device = next(model.parameters()).device
    if device.type != "cpu":
        raise InputError(
            f"--cpu-precision {precision.value}: the model is on a GPU; add --cpu or remove --cpu-precision"
        )
    if precision is CPUPrecision.bfloat16:
        model.bfloat16()
    elif not isinstance(model, XLMSWCMModel):
        raise InputError("--cpu-precision int8 needs a model of this package; use bfloat16")
    elif torch.backends.quantized.engine == "none":
        raise InputError("--cpu-precision int8: this torch has no int8 products for this processor; use bfloat16")
    elif not isinstance(model.decoder.output_projection, Int8Linear):
        _round_to_int8(model)


def _round_to_int8(model: XLMSWCMModel) -> None:
    attentions = [module for module in model.modules() if isinstance(module, Attention)]
    for attention in attentions:
        attention.round_projections()
    joined = {id(each) for attention in attentions for each in attention.projections}
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and id(child) not in joined:
                is_output = child is model.decoder.output_projection
                setattr(module, name, Int8Linear(child.weight, child.bias, keep=is_output))
