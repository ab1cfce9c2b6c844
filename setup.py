"""``pip install .``; pyproject.toml says what is installed."""

from setuptools import setup

setup()
