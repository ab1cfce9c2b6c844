"""The decoders' state between the steps of beam search: state that grows, or buffers of fixed size."""

from typing import Any

import torch
from fairseq.sequence_generator import EnsembleModel
from torch import Tensor

from swcm_fairseq.models.attention import IncrementalState
from swcm_fairseq.models.encoder import EncoderOut


class GrowingSteps:
    """The decoders of an ensemble step by step; keys and values grow with every word.

    Sentences that have ended can be left out: the next :meth:`move` names fewer rows.
    """

    leaves_out = True

    def __init__(self, model: EnsembleModel, encoder_outs: list[EncoderOut], temperature: float):
        """``encoder_outs``: of each model of the ensemble, with every sentence repeated for its beams."""
        self._model, self._encoder_outs, self._temperature = model, encoder_outs, temperature
        self._states: list[dict[str, Any]] = [{} for _ in encoder_outs]

    def move(self, order: Tensor, shared: int) -> None:
        """Let the rows continue from those of ``order``, int64 [N'].

        ``shared``: how many of the first words are the same in all beams of a sentence.
        """
        for each, state in zip(self._model.models, self._states, strict=True):
            each.decoder.reorder_incremental_state_scripting(state, order, shared)
        self._encoder_outs = self._model.reorder_encoder_out(self._encoder_outs, order)

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities [N, V] of the next words after ``tokens`` int64 [N, t]; the caller may change them."""
        return self._model.forward_decoder(tokens, self._encoder_outs, self._states, self._temperature)[0]


class StaticSteps:
    """The same on buffers of fixed place and shape for all positions; a GPU replays a step as one CUDA graph.

    A GPU takes longer to launch the kernels of a step one by one than to compute them. The first step is not captured:
    it computes the keys and values of cross-attention. The second step is captured and then replayed. Every step reads
    the buffers ``_tokens`` and ``_position``, which are filled before it. Beams move outside the graph, because only
    the positions in use are copied, and their number changes with every step. Sentences that have ended stay, because
    the number of rows is fixed.
    """

    leaves_out = False

    def __init__(
        self, model: EnsembleModel, encoder_outs: list[EncoderOut], temperature: float, rows: int, positions: int
    ):
        """Args:
        model: an ensemble of models of this package.
        encoder_outs: of each model, with every sentence repeated for its beams.
        temperature: of the softmax.
        rows: N, sentences x beams.
        positions: maximum number of words to read.
        """
        self._model, self._encoder_outs, self._temperature = model, encoder_outs, temperature
        device = encoder_outs[0]["encoder_out"][0].device
        self._tokens = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._states: list[IncrementalState] = [
            each.decoder.static_state(encoder_out, self._position, rows, positions)
            for each, encoder_out in zip(model.models, encoder_outs, strict=True)
        ]
        saved = [each for state in self._states for each in state.values()]
        self._buffers = [buffer for each in saved if (buffer := each.get("buffer")) is not None]
        self._moves = encoder_outs[0]["beams"][0] > 1
        self._used = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._output = torch.empty(0)

    def move(self, order: Tensor, shared: int) -> None:
        """Let the rows continue from those of ``order``, int64 [N]; in greedy search nothing moves.

        ``shared``: see :class:`GrowingSteps`.
        """
        if not self._moves:
            return
        for buffer in self._buffers:
            used = buffer[:, :, :, shared : self._used]
            used.copy_(used.index_select(0, order))

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities [N, V] of the next words after ``tokens`` int64 [N, t], valid until the next call."""
        self._tokens.copy_(tokens[:, -1:])
        self._position.fill_(self._used)
        self._used += 1
        if not self._tokens.is_cuda or self._used == 1:
            return self._compute()
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            # "thread_local": what other threads do with the GPU, such as loading the next batch, is no error.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._output = self._compute()
        self._graph.replay()
        return self._output

    def _compute(self) -> Tensor:
        return self._model.forward_decoder(self._tokens, self._encoder_outs, self._states, self._temperature)[0]
