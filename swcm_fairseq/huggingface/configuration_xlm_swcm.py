"""Configuration of XLM-SWCM (Su et al. 2025, arXiv 2502.10852) for transformers."""

from transformers import PretrainedConfig


class XLMSWCMConfig(PretrainedConfig):
    """The architecture of a model, written by ``swcm export --format huggingface``.

    Args:
        vocab_size: number of pieces and special symbols; the language tokens come last.
        d_model: hidden size of encoder and decoder.
        encoder_layers: number of encoder layers.
        encoder_attention_heads: attention heads of the encoder.
        encoder_ffn_dim: inner size of the encoder's FFNs.
        decoder_attention_heads: attention heads of the decoder.
        decoder_ffn_dim: inner size of the decoder's FFNs.
        decoder_plan: one entry per decoder layer: ``"inherit 0"`` or ``"duplicate 0"`` (self-attention, FFN1,
            cross-attention, FFN2; the number names the encoder layer) or ``"normal"`` (self-attention,
            cross-attention, FFN).
        tie_self_attention: whether ``inherit`` layers share the self-attention of their encoder layer.
        tie_ffn: whether FFN1 and FFN2 of ``inherit`` layers are the FFN of their encoder layer.
        tie_duplicates: whether a ``duplicate`` layer applies the layer before it once more.
        separate_embeddings: whether the decoder has its own token embeddings.
        tie_word_embeddings: whether the output matrix is the decoder's token embeddings.
        max_source_positions: maximum length of a source in tokens.
        max_target_positions: maximum length of a target in tokens.
        activation_function: activation function of all FFNs.
        encoder_layer_norm_eps: epsilon of the encoder's layer norms.
        decoder_layer_norm_eps: epsilon of the decoder's layer norms.
        dropout: dropout probability.
        attention_dropout: dropout probability of attention weights.
        activation_dropout: dropout probability after the activation in FFNs.
        encoder_layerdrop: probability of skipping an encoder layer in training.
        decoder_layerdrop: probability of skipping a decoder layer in training.
        init_std: standard deviation of randomly initialized weights.
        use_cache: whether to return keys and values for the next decoding step.
        language_token_ids: language code -> id of its token.
        fairseq: model and task options for the conversion back to fairseq.
    """

    model_type = "xlm_swcm"
    keys_to_ignore_at_inference = ("past_key_values", "cache")
    attribute_map = {
        "hidden_size": "d_model",
        "num_attention_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
    }

    def __init__(
        self,
        vocab_size: int = 135_365,
        d_model: int = 768,
        encoder_layers: int = 12,
        encoder_attention_heads: int = 12,
        encoder_ffn_dim: int = 3072,
        decoder_attention_heads: int = 12,
        decoder_ffn_dim: int = 3072,
        decoder_plan: list[str] | None = None,
        tie_self_attention: bool = False,
        tie_ffn: bool = False,
        tie_duplicates: bool = False,
        separate_embeddings: bool = False,
        max_source_positions: int = 512,
        max_target_positions: int = 256,
        activation_function: str = "gelu",
        encoder_layer_norm_eps: float = 1e-5,
        decoder_layer_norm_eps: float = 1e-5,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation_dropout: float = 0.0,
        encoder_layerdrop: float = 0.0,
        decoder_layerdrop: float = 0.0,
        init_std: float = 0.02,
        use_cache: bool = True,
        language_token_ids: dict[str, int] | None = None,
        fairseq: dict[str, object] | None = None,
        **kwargs: object,
    ):
        self.vocab_size = vocab_size
        self.d_model = d_model
        self.encoder_layers = encoder_layers
        self.encoder_attention_heads = encoder_attention_heads
        self.encoder_ffn_dim = encoder_ffn_dim
        self.decoder_plan = [f"inherit {i}" for i in range(encoder_layers)] if decoder_plan is None else decoder_plan
        self.decoder_layers = len(self.decoder_plan)
        self.decoder_attention_heads = decoder_attention_heads
        self.decoder_ffn_dim = decoder_ffn_dim
        self.tie_self_attention = tie_self_attention
        self.tie_ffn = tie_ffn
        self.tie_duplicates = tie_duplicates
        self.separate_embeddings = separate_embeddings
        self.max_source_positions = max_source_positions
        self.max_target_positions = max_target_positions
        self.activation_function = activation_function
        self.encoder_layer_norm_eps = encoder_layer_norm_eps
        self.decoder_layer_norm_eps = decoder_layer_norm_eps
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.activation_dropout = activation_dropout
        self.encoder_layerdrop = encoder_layerdrop
        self.decoder_layerdrop = decoder_layerdrop
        self.init_std = init_std
        self.use_cache = use_cache
        self.language_token_ids = language_token_ids or {}
        self.fairseq = fairseq or {}
        kwargs.pop("decoder_layers", None)  # determined by the plan
        defaults = {
            "is_encoder_decoder": True,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 0,
        }
        super().__init__(**{**defaults, **kwargs})
