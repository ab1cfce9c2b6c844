"""Every step is a function of option dataclasses; its command line adds only the paths to read and write."""

import argparse
import dataclasses
import inspect

import pytest

from preprocess import binarize, classification, clean, extract, sentences, stats, vocab, vocab_extend, vocab_prune
from preprocess.steps.schema import loaded

STEPS = {
    binarize: binarize.binarize,
    classification: classification.make_classification_data,
    clean: clean.clean,
    extract: extract.extract,
    sentences: sentences.split_sentences,
    stats: stats.print_stats,
    vocab: vocab.train_vocabulary,
    vocab_extend: vocab_extend.extend_vocabulary,
    vocab_prune: vocab_prune.prune_vocabulary,
}
# Arguments of a step's function that name its inputs and outputs.
PLACES = {
    *("help", "input", "output", "lang", "vocab", "check", "mono", "pair", "plain", "again"),
    *("directory", "format", "use", "set", "place"),
}


def dataclasses_of(step):
    hints = inspect.get_annotations(step, eval_str=True)
    return [hint for hint in hints.values() if dataclasses.is_dataclass(hint) and hint.__name__.endswith("Options")]


@pytest.mark.parametrize("module", STEPS, ids=lambda module: module.__name__)
def test_flags_are_fields(module):
    actions = {action.dest: action for action in module.build_parser()._actions}
    found = {
        field.name: field
        for kind in dataclasses_of(STEPS[module])
        for field in dataclasses.fields(kind)
        if "help" in field.metadata
    }
    assert actions.keys() - PLACES == found.keys()
    for name, field in found.items():
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if field.default is not dataclasses.MISSING and actions[name].default is not argparse.SUPPRESS:
            assert actions[name].default == default or (module, name) == (sentences, "max_chars")


@pytest.mark.parametrize("module", STEPS, ids=lambda module: module.__name__)
def test_a_manifest_could_give_the_same(module):
    """Each dataclass loads from a mapping, with the same defaults as on the command line."""
    for kind in dataclasses_of(STEPS[module]):
        required = {field.name: 7 for field in dataclasses.fields(kind) if _required(field)}
        assert loaded(kind, required, "manifest") == kind(**required)


def _required(field) -> bool:
    return "help" in field.metadata and field.default is field.default_factory is dataclasses.MISSING
