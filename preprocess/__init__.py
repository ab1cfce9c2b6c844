"""Commands that turn corpora into data directories: ``python -m preprocess.<command> --help``."""
