"""``swcm``: every command of this project under one name.

Each command is imported only when it is called, so no command waits for libraries that it does not need.
"""

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from swcm_fairseq.errors import InputError, report, run_command
from swcm_fairseq.running import COMMAND
from swcm_fairseq.version import __version__


class Command(NamedTuple):
    """A command: the module with its ``main`` (``preprocess.`` for either name of that package) and a help text."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "text to ids": {
        "extract": Command("preprocess.extract", "read a corpus in its published format and write text files"),
        "clean": Command("preprocess.clean", "clean text line by line, and count removed lines"),
        "sentences": Command("preprocess.sentences", "split text into sentences, long documents into parts"),
        "vocab": Command("preprocess.vocab", "train a sentencepiece vocabulary"),
        "vocab-extend": Command("preprocess.vocab_extend", "add pieces of new languages to a vocabulary or encoder"),
        "vocab-prune": Command("preprocess.vocab_prune", "remove pieces that the corpora never use"),
        "binarize": Command("preprocess.binarize", "encode text and write a data directory"),
        "classification": Command("preprocess.classification", "write a data directory for a classification data set"),
        "stats": Command("preprocess.stats", "show samples, tokens, lengths and shares in data directories"),
        "run": Command("preprocess.run", "run all steps of a manifest, from published corpora to ids"),
    },
    "models": {
        "convert": Command("swcm_fairseq.interop.convert", "convert an encoder or model from Hugging Face or fairseq"),
        "mbart": Command("swcm_fairseq.interop.mbart", "convert mBART to another vocabulary, as a baseline"),
        "train": Command("swcm_fairseq.train", "run fairseq-train with this plugin, and --bf16 on any device"),
        "user-dir": Command("swcm_fairseq.__main__", "print the plugin's directory, for fairseq-train --user-dir"),
        "generate": Command("swcm_fairseq.generate", "run fairseq-generate with this plugin"),
        "interactive": Command("swcm_fairseq.interactive", "run fairseq-interactive with this plugin"),
        "classify": Command("swcm_fairseq.classify", "predict labels with a fine-tuned classifier"),
        "merge": Command("swcm_fairseq.merge.__main__", "merge models trained from one base, without training"),
        "export": Command("swcm_fairseq.export", "write a directory with everything needed to use a model"),
    },
    "scores and reports": {
        "score": Command(
            "swcm_fairseq.scoring.__main__", "compute ROUGE, BLEU, chrF++ and language accuracy, with intervals"
        ),
        "samples": Command("swcm_fairseq.scoring.samples", "show outputs as text, JSONL or a web page"),
        "curves": Command("swcm_fairseq.reporting.curves", "plot training losses"),
        "study": Command("swcm_fairseq.study.__main__", "train and compare the systems of a plan"),
        "paper-report": Command("swcm_fairseq.reporting.paper_report", "fill the paper's tables from runs"),
    },
    "recipes and their parts": {
        "recipes": Command("swcm_fairseq.recipes_command", "list, locate or copy the recipes and their manifests"),
        "recipe-settings": Command("swcm_fairseq.recipe_settings", "check the options and variables of a recipe"),
        "step": Command("swcm_fairseq.step_command", "run a command once, and record that it has finished"),
        "ablation-grid": Command(
            "swcm_fairseq.reporting.ablation_grid", "print the systems of the ablations, with their commands"
        ),
        "check-start": Command(
            "swcm_fairseq.reporting.check_start", "check that fine-tuning can start from a checkpoint"
        ),
        "run-scores": Command("swcm_fairseq.reporting.scores", "print the scores of a run as a table"),
        "merge-settings": Command("swcm_fairseq.merge.merge_settings", "print options of merge, one line per setting"),
        "best-setting": Command("swcm_fairseq.reporting.best_setting", "print the best setting in a grid"),
        "classification-report": Command(
            "swcm_fairseq.reporting.classification_report", "fill CINO's tables from runs"
        ),
        "quickstart-report": Command(
            "swcm_fairseq.reporting.quickstart_report", "write the report of the demonstration"
        ),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def overview() -> str:
    """The list of all commands."""
    lines = [f"usage: {COMMAND} COMMAND [OPTION...]; {COMMAND} COMMAND --help describes one", ""]
    for title, group in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:<22}{command.help}" for name, command in group.items())]
    return "\n".join(lines)


def module_name(command: Command) -> str:
    """The module of a command; ``preprocess/`` has a different name when it is installed."""
    if command.module.startswith("preprocess.") and find_spec("swcm_preprocess") is not None:
        return f"swcm_{command.module}"
    return command.module


def _unknown(name: str) -> InputError:
    near = get_close_matches(name, COMMANDS, n=1)
    guess = f"did you mean {COMMAND} {near[0]}? " if near else ""
    return InputError(f"{COMMAND} {name}: no such command; {guess}{COMMAND} --help lists them")


def run() -> None:
    """Run the command named by the first argument with the remaining arguments."""
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
