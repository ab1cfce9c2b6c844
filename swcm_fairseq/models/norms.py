"""Save the layer-norm epsilon with the weights: it is 1e-12 in BERT and 1e-5 in XLM-R, and fairseq has no option for
it."""

import torch
from fairseq.modules import LayerNorm
from torch import Tensor, nn

DEFAULT_EPS = 1e-5
LayerNorms = (nn.LayerNorm, type(LayerNorm(1)))  # the second is apex's, if apex and a GPU are available


class EpsilonInState(nn.Module):
    """Stores the epsilon of all layer norms in a module in its state dict, as one float64 number.

    It is float64 and not a buffer, so that neither ``half()`` nor averaging checkpoints changes it.
    """

    def set_layer_norm_eps(self, eps: float) -> None:
        """Set the epsilon of every layer norm in this module."""
        self.layer_norm_eps = eps
        for module in self.modules():
            if isinstance(module, LayerNorms):
                module.eps = eps

    def get_extra_state(self) -> Tensor:
        """Called by ``state_dict``."""
        return torch.tensor(self.layer_norm_eps, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Called by ``load_state_dict``."""
        self.set_layer_norm_eps(float(state))
