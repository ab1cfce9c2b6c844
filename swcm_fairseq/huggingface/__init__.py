"""The files of a Hugging Face directory that are code: ``swcm export --format huggingface`` copies them.

They run where transformers is installed and neither fairseq nor this package is, so they import nothing of either, and
nothing here imports them.
"""
