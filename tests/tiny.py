"""The size of the smallest test models, as options of encoders and of fairseq's transformers."""

ENCODER = {"encoder_layers": 1, "encoder_embed_dim": 16, "encoder_ffn_embed_dim": 32, "encoder_attention_heads": 2}
