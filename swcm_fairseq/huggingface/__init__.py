"""The code files of a Hugging Face directory, copied by ``swcm export --format huggingface``.

They need only transformers: they import neither fairseq nor this package, and nothing in this package imports them.
"""
