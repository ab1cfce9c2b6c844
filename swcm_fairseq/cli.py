"""``swcm``: every command of this project under one name.

A command is imported only when it is called, so that no command waits for libraries that it does not need.
"""

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from swcm_fairseq import __version__
from swcm_fairseq.errors import InputError, report, run_command
from swcm_fairseq.running import COMMAND


class Command(NamedTuple):
    """A command: the module with its ``main`` (``preprocess.`` under any installed name) and one line of help."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "text to ids": {
        "extract": Command("preprocess.extract", "read a corpus as published and write text files"),
        "clean": Command("preprocess.clean", "clean text, line by line, and count what is left out"),
        "sentences": Command("preprocess.sentences", "split text into sentences, long documents into parts"),
        "vocab": Command("preprocess.vocab", "train a sentencepiece vocabulary"),
        "vocab-extend": Command("preprocess.vocab_extend", "add pieces of new languages to a vocabulary or encoder"),
        "vocab-prune": Command("preprocess.vocab_prune", "remove pieces that the corpora never use"),
        "binarize": Command("preprocess.binarize", "encode text and write a data directory"),
        "classification": Command("preprocess.classification", "write a data directory for a classification set"),
        "stats": Command("preprocess.stats", "samples, tokens, lengths and shares of data directories"),
        "run": Command("preprocess.run", "all steps of a manifest, from published corpora to ids"),
    },
    "models": {
        "convert": Command("swcm_fairseq.interop.convert", "read an encoder or model, from Hugging Face or fairseq"),
        "mbart": Command("swcm_fairseq.interop.mbart", "convert mBART to a vocabulary, as a baseline"),
        "train": Command("swcm_fairseq.train", "fairseq-train with this plugin, and --bf16 on any device"),
        "generate": Command("swcm_fairseq.generate", "fairseq-generate with this plugin"),
        "interactive": Command("swcm_fairseq.interactive", "fairseq-interactive with this plugin"),
        "classify": Command("swcm_fairseq.classify", "predict labels with a fine-tuned classifier"),
        "merge": Command("swcm_fairseq.merge.__main__", "merge models trained from one base, without training"),
        "export": Command("swcm_fairseq.export", "write a directory with all that using a model needs"),
    },
    "scores and reports": {
        "score": Command("swcm_fairseq.scoring.__main__", "ROUGE, BLEU, chrF++ and language accuracy, with intervals"),
        "samples": Command("swcm_fairseq.scoring.samples", "readable outputs, as text, JSONL or a web page"),
        "curves": Command("swcm_fairseq.reporting.curves", "plot training losses"),
        "study": Command("swcm_fairseq.study.__main__", "train and compare the systems of a plan"),
        "paper-report": Command("swcm_fairseq.reporting.paper_report", "the paper's tables, filled from runs"),
    },
    "files": {
        "user-dir": Command("swcm_fairseq.__main__", "print where the plugin is, for fairseq-train --user-dir"),
        "recipes": Command("swcm_fairseq.recipes_command", "list, locate or copy the recipes and their manifests"),
    },
    "parts of recipes": {
        "recipe-settings": Command("swcm_fairseq.recipe_settings", "the options and variables of a recipe, checked"),
        "step": Command("swcm_fairseq.step_command", "run a command once, and record that it is done"),
        "ablation-grid": Command("swcm_fairseq.reporting.ablation_grid", "the systems of the ablations"),
        "check-start": Command("swcm_fairseq.reporting.check_start", "whether fine-tuning can start from a checkpoint"),
        "run-scores": Command("swcm_fairseq.reporting.scores", "the scores of one run as a table"),
        "best-setting": Command("swcm_fairseq.reporting.best_setting", "which setting of a grid scored best"),
        "classification-report": Command("swcm_fairseq.reporting.classification_report", "CINO's tables from runs"),
        "quickstart-report": Command("swcm_fairseq.reporting.quickstart_report", "the demonstration's report"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def overview() -> str:
    """All commands, on one screen."""
    lines = [f"usage: {COMMAND} COMMAND [OPTION...]; {COMMAND} COMMAND --help describes one", ""]
    for title, group in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:<22}{command.help}" for name, command in group.items())]
    return "\n".join(lines)


def module_name(command: Command) -> str:
    """The module of a command; ``preprocess/`` has another name when it is installed."""
    if command.module.startswith("preprocess.") and find_spec("swcm_preprocess") is not None:
        return f"swcm_{command.module}"
    return command.module


def _unknown(name: str) -> InputError:
    near = get_close_matches(name, COMMANDS, n=1)
    guess = f"did you mean {COMMAND} {near[0]}? " if near else ""
    return InputError(f"{COMMAND} {name}: no such command; {guess}{COMMAND} --help lists them")


def run() -> None:
    """Run the command named by the first argument; the other arguments are passed on to it."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(overview())
    elif name == "--version":
        print(f"{COMMAND} {__version__}")
    elif name in COMMANDS:
        sys.argv = [f"{sys.argv[0]} {name}", *sys.argv[2:]]
        import_module(module_name(COMMANDS[name])).main()
    else:
        report(_unknown(name))
        sys.exit(2)


def main() -> None:
    """The console command."""
    run_command(run)


if __name__ == "__main__":
    main()
