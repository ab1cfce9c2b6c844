"""The state of the decoders between steps of beam search, either growing or in buffers of fixed size."""

from typing import Any

import torch
from fairseq.sequence_generator import EnsembleModel
from torch import Tensor

from swcm_fairseq.models.attention import IncrementalState
from swcm_fairseq.models.encoder import EncoderOut


class GrowingSteps:
    """Runs the decoders of an ensemble step by step; keys and values grow with every token.

    Sentences that have ended can be dropped by passing fewer rows to the next :meth:`move`.
    """

    leaves_out = True

    def __init__(self, model: EnsembleModel, encoder_outs: list[EncoderOut], temperature: float):
        """``encoder_outs`` are the encoder outputs of each model, with every sentence repeated for its beams."""
        self._model, self._encoder_outs, self._temperature = model, encoder_outs, temperature
        self._states: list[dict[str, Any]] = [{} for _ in encoder_outs]

    def move(self, order: Tensor, shared: int) -> None:
        """Continue with the rows in ``order``, int64 [N'].

        The first ``shared`` tokens are the same in all beams of a sentence.
        """
        for each, state in zip(self._model.models, self._states, strict=True):
            each.decoder.reorder_incremental_state_scripting(state, order, shared)
        self._encoder_outs = self._model.reorder_encoder_out(self._encoder_outs, order)

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities [N, V] of the tokens after ``tokens`` int64 [N, t]; the caller may modify them."""
        return self._model.forward_decoder(tokens, self._encoder_outs, self._states, self._temperature)[0]


class StaticSteps:
    """Runs the decoders of an ensemble on buffers with fixed address and shape; a GPU replays steps as a CUDA graph.

    Launching the kernels of a step one by one takes a GPU longer than computing them. The first step is not captured,
    because it also computes the keys and values of cross-attention. The second step is captured and then replayed.
    Every step reads the buffers ``_tokens`` and ``_position``, which are filled before it. Beams are reordered outside
    the graph, because only used positions are copied, and their number changes with every step. Sentences that have
    ended are kept, because the number of rows is fixed.
    """

    leaves_out = False

    def __init__(
        self, model: EnsembleModel, encoder_outs: list[EncoderOut], temperature: float, rows: int, positions: int
    ):
        """Args:
        model: an ensemble of models of this package.
        encoder_outs: the encoder outputs of each model, with every sentence repeated for its beams.
        temperature: temperature of the softmax.
        rows: N, sentences x beams.
        positions: maximum number of tokens to read.
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
        """Continue with the rows in ``order``, int64 [N]; does nothing in greedy search, where rows never move.

        For ``shared``, see :meth:`GrowingSteps.move`.
        """
        if not self._moves:
            return
        for buffer in self._buffers:
            used = buffer[:, :, :, shared : self._used]
            used.copy_(used.index_select(0, order))

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities [N, V] of the tokens after ``tokens`` int64 [N, t], valid until the next call."""
        self._tokens.copy_(tokens[:, -1:])
        self._position.fill_(self._used)
        self._used += 1
        if not self._tokens.is_cuda or self._used == 1:
            return self._compute()
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            # "thread_local" allows other threads to use the GPU, for example to load the next batch.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._output = self._compute()
        self._graph.replay()
        return self._output

    def _compute(self) -> Tensor:
        return self._model.forward_decoder(self._tokens, self._encoder_outs, self._states, self._temperature)[0]
