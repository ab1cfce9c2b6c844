"""``swcm recipe-settings``: check a recipe's options and environment, and print them as assignments for its shell.

The usage line in the comment at the top of a recipe lists the options it takes; ``--help`` prints that comment.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from swcm_fairseq.checked_data import read_text
from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, report, run_command

# The options of every training run. AdamW is torch's, which also resumes exactly in half precision.
TRAINING_OPTIONS = [
    *("--optimizer", "fused_adamw", "--adam-betas", "(0.9,0.999)", "--clip-norm", "1.0"),
    *("--no-epoch-checkpoints", "--log-format", "json", "--log-interval", "10"),
]
PRECISION = {"full": "fp16", "smoke": "fp32"}
# Under torchrun, fairseq assumes GPUs unless it is told how processes find each other; -1 keeps the rank that torchrun
# gave each process. fairseq's default data parallelism also needs GPUs.
WITHOUT_GPUS = [
    *("--distributed-init-method", "env://", "--distributed-no-spawn", "--distributed-rank", "-1"),
    *("--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp"),
]
COUNT = r"[1-9]\d{0,8}"
PLACE = r"(?!-)[^\n]*"
SHARE = r"(0?\.\d+|1|1\.0)"
# Every variable that a recipe reads from the environment: the values it may have, and how to fix any other value. In an
# arithmetic expression, bash would run a command contained in a value.
RULES = {
    "GPUS MACHINES PER_GPU LAYERS LENGTH PIECES JOBS OMP_NUM_THREADS": (COUNT, "give a number of at least 1"),
    "SLURM_CPUS_PER_TASK SLURM_GPUS_ON_NODE SLURM_JOB_ID SLURM_JOB_NUM_NODES": (COUNT, "give a number of at least 1"),
    "MACHINE SLURM_NODEID": (rf"0|{COUNT}", "give a number of at least 0"),
    "RUNS OUT ENCODER MANIFEST DATA PRETRAINING_DATA TASK_DATA": (PLACE, "give a path"),
    "MBART CORPUS CLASSES TEXT RESULTS": (PLACE, "give a path"),
    "COMPARE EXPAND": (r"[01]", "use 0 or 1"),
    "DENSITIES WEIGHTS LAMBDAS": (rf"{SHARE}( {SHARE})*", "give numbers up to 1, separated by spaces, such as 0.2 1.0"),
    "SCALE": (r"full|smoke", "use full or smoke"),
    "SIZE": (r"base|large", "use base or large"),
    "PRECISION": (r"fp16|bf16|fp32", "use fp16, bf16 or fp32"),
    "ROWS": (r"aligned|pushed|mean|random", "use aligned, pushed, mean or random"),
    "DEVICE": (r"auto|cpu|cuda", "use auto, cpu or cuda"),
    "SEEDS": (r"\d{1,9}( \d{1,9})*", "give numbers, such as 1 2 3"),
    "LANGUAGES": (r"[a-z_]+( [a-z_]+)*", "give codes, such as bo ug"),
    "TASK_CORPUS": (r"[A-Za-z0-9_-]+", "give the name of a corpus"),
    "GENERATE": (r"[^\n]*", "give options on one line"),
    "OMP_WAIT_POLICY": (r"ACTIVE|PASSIVE", "use ACTIVE or PASSIVE"),
    "RENDEZVOUS": (r"\S+:\d{1,5}", "give the name of machine 0 and a free port on it, such as first:29500"),
    "DIRECTIONS": (r"\s*(\w+-\w+\s*)*", "write SOURCE-TARGET, several separated by spaces"),
}
VARIABLES = {name: rule for names, rule in RULES.items() for name in names.split()}
USAGE = re.compile(r"\S\.(?:sh|sbatch)((?: (?:\[[^]]*\]|--[a-z-]+|[A-Z]+)(?=[ \n]))+)")
SAMPLES_IN_MEMORY = {140_000: 300, 79_000: 150}  # MiB of GPU memory -> samples of 256 tokens per pretraining batch
SAMPLES = 75  # with less memory, as on the paper's GPUs

OPTIONS_HELP = """
Options of every recipe:
  --name NAME         name of the system and its directory under RUNS (default: xlm-swcm)
  --dry-run           print the commands without running them; needs no data
  --help              print this text
  -- OPTION...        further options for fairseq-train; they override the recipe's own
"""
START_HELP = """\
  --start CHECKPOINT  checkpoint from pretraining (default: RUNS/pretraining/xlm-swcm/checkpoint_last.pt); fine-tuning
                      also takes the directory of an encoder, to start without any pretraining
"""
ENVIRONMENT_HELP = """
Environment of every recipe:
  SCALE=full|smoke    the paper's sizes, or a run of a minute on a CPU with the sample data, which only shows that every
                      step runs
  RUNS=DIR            where runs are kept (default: runs; smoke: runs/smoke)
  ENCODER=DIR         the pretrained encoder and its vocabulary (default: encoders/cino-base-v2); with another encoder,
                      also give --name, and use the same ENCODER in later steps, because ids belong to its vocabulary
  MANIFEST=FILE       the corpora to read (default: examples/manifests/...); see swcm run --help. The recipe sets the
                      output and work directories and the vocabulary
  DATA=DIR            a finished data directory to use instead of MANIFEST
  DIRECTIONS="S-T .." directions that fine-tuning evaluates, such as "kk-kk zh-zh" (default: the recipe's languages); to
                      score another language, add a row for it to swcm_fairseq/data/languages.py
  GPUS=N              number of GPUs of this machine; the total batch size stays the same
  PER_GPU=N           maximum number of samples per GPU at a time (default: what fits its memory; in pretraining, 300
                      with 141 GB, 150 with 80 GB, otherwise 75); fewer need less memory, and the total batch size stays
                      the same
  PRECISION=...       fp16, bf16 or fp32 (default: fp16; smoke: fp32)

Paths are relative to the root of the repository. You can interrupt a recipe at any time. To continue, repeat the
command: it skips finished steps and resumes a training run from its last checkpoint as if it had never stopped.
"""


@dataclass
class Settings:
    """The options of a recipe; :func:`assignments` gives its shell a variable for each.

    Attributes:
        name: the name of the system.
        start: the checkpoint or encoder to start from; "" means the recipe's default.
        part: the part of the work to do, such as "2/4".
        list_only: whether to only list what would be done.
        dry_run: whether to only print the commands.
        help: whether to only print the description.
        words: the arguments that are not options.
        extra: further options for fairseq-train, given after ``--``.
    """

    name: str
    start: str = ""
    part: str = "1/1"
    list_only: bool = False
    dry_run: bool = False
    help: bool = False
    words: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise :class:`InputError` if a recipe cannot use the value of a variable."""
    for name, (form, fix) in VARIABLES.items():
        value = environment.get(name, "")
        if value and not re.fullmatch(form, value, re.ASCII):
            raise InputError(f"{name}={value}: {fix}")


def description(recipe: Path) -> str:
    """The comment at the top of a recipe."""
    lines = read_text(recipe).splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(f"{line[1:].removeprefix(' ')}\n" for line in lines[:end])


def accepted(text: str) -> set[str]:
    """The options in the usage lines of a description, and WORDS if the recipe takes arguments that are not options."""
    usage = [word.strip("[]") for line in USAGE.findall(text) for word in re.findall(r"\[[^]]*\]|\S+", line)]
    return {"--help", "-h"} | {word.split()[0] if word.startswith("-") else "WORDS" for word in usage}


def settings(arguments: list[str], known: set[str], name: str, recipe: str) -> Settings:
    """Read a recipe's options.

    Args:
        arguments: the recipe's command-line arguments.
        known: the options that it accepts, as returned by :func:`accepted`.
        name: the default name of the system.
        recipe: the path of the recipe, for messages.

    Raises:
        InputError: an option is unknown or has an invalid value.
    """
    chosen = Settings(name)
    rest = iter(arguments)
    for option in rest:
        if option not in known and (option.startswith("-") or "WORDS" not in known):
            raise InputError(f"{option}: unknown option; options for fairseq-train come after --, see {recipe} --help")
        match option:
            case "--help" | "-h":
                return Settings(name, help=True)
            case "--":
                chosen.extra = list(rest)
            case "--list":
                chosen.list_only = True
            case "--dry-run":
                chosen.dry_run = True
            case "--name" | "--start" | "--part":
                _set(chosen, option, next(rest, ""), recipe)
            case _:
                chosen.words.append(option)
    return chosen


def _set(chosen: Settings, option: str, value: str, recipe: str) -> None:
    """Set an option that takes a value."""
    if option == "--name":
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
            raise InputError(f"--name {value}: give letters, digits, . _ and -")
        chosen.name = value
    elif option == "--start":
        if not value:
            raise InputError(f"--start: a checkpoint is missing; see {recipe} --help")
        chosen.start = value
    else:
        read_part(value)
        chosen.part = value


def read_part(value: str) -> tuple[int, int]:
    """I and N of ``I/N``, the I-th of N parts; raises :class:`InputError` if there is no such part."""
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", value)
    if found is None:
        raise InputError(f"--part {value}: write I/N, e.g. 2/4")
    part, parts = int(found[1]), int(found[2])
    if part > parts:
        raise InputError(f"--part {value}: there are only {parts} parts")
    return part, parts


def samples_in_memory() -> int:
    """How many samples of 256 tokens this machine's GPUs can pretrain at a time, by the memory of the smallest."""
    if shutil.which("nvidia-smi") is None:
        return SAMPLES
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    memory = min([int(line) for line in shown.split() if line.isdecimal()], default=0)
    return next((samples for least, samples in SAMPLES_IN_MEMORY.items() if memory >= least), SAMPLES)


@dataclass
class Processes:
    """How to start the processes of a training run, according to the environment of a recipe.

    Attributes:
        machines: the number of machines.
        machine: the number of this machine, starting at 0.
        processes: the number of processes, one per GPU, on all machines.
        train: the command that starts a training run.
        share: fairseq-train's options for precision and data parallelism.
    """

    machines: int
    machine: int
    processes: int
    train: list[str]
    share: list[str]


def processes(environment: Mapping[str, str], dry_run: bool) -> Processes:
    """How training runs are started; raises :class:`InputError` for a wrong machine number or a missing RENDEZVOUS."""
    gpus, machines = (int(environment.get(name) or 1) for name in ("GPUS", "MACHINES"))
    machine, scale = int(environment.get("MACHINE") or 0), environment.get("SCALE") or "full"
    if machine >= machines:
        raise InputError(f"MACHINE={machine}: number the {machines} machines from 0 to {machines - 1}")
    meeting = environment.get("RENDEZVOUS")
    if machines > 1 and not meeting and not dry_run:
        raise InputError(f"RENDEZVOUS is not set: {VARIABLES['RENDEZVOUS'][1]}")
    precision = environment.get("PRECISION") or PRECISION[scale]
    train = ["swcm", "train"] if precision == "bf16" else ["fairseq-train"]  # fairseq-train takes --bf16 to mean TPUs
    count = gpus * machines
    share = ["--distributed-world-size", str(count)]  # otherwise, fairseq uses every visible GPU
    if count > 1:
        place = ["--nnodes", str(machines), "--node_rank", str(machine), "--rdzv_endpoint", meeting or "first:29500"]
        place = place if machines > 1 else ["--standalone"]  # takes a free port
        train = ["torchrun", *place, "--nproc_per_node", str(gpus), "--no-python", *train]
        # Gradients become views of the exchanged buffers, which saves a copy. Only torch's data parallelism uses this.
        share += ["--gradient-as-bucket-view", *(WITHOUT_GPUS if scale == "smoke" else [])]
    return Processes(machines, machine, count, train, [*share, *([] if precision == "fp32" else [f"--{precision}"])])


def plugin() -> str:
    """The directory for fairseq-train's ``--user-dir``: the one in this checkout, or else the installed package."""
    return "swcm_fairseq" if Path("swcm_fairseq").is_dir() else str(Path(__file__).resolve().parent)


def assignments(chosen: Settings, shared: Processes) -> Iterator[str]:
    """The settings as lines of bash."""
    more = asdict(shared) | {
        "plugin": plugin(),
        "training_options": TRAINING_OPTIONS,
        "samples_in_memory": samples_in_memory(),
    }
    for name, value in (asdict(chosen) | more).items():
        yield f"{name.upper()}={_quoted(value)}"


def _quoted(value: str | int | list[str]) -> str:
    if isinstance(value, list):
        return f"({shlex.join(value)})"
    return shlex.quote(str(int(value) if isinstance(value, bool) else value))


def help_text(text: str, known: set[str]) -> str:
    """The description of a recipe, followed by the options and variables that all recipes have in common."""
    if "--" not in known:
        return text
    return text + OPTIONS_HELP + (START_HELP if "--start" in known else "") + ENVIRONMENT_HELP


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser(
        "recipe-settings",
        __doc__,
        epilog="The options after NAME are those of the recipe.",
        usage="swcm recipe-settings RECIPE NAME [OPTION...]",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="the script of the recipe")
    parser.add_argument("name", metavar="NAME", help="default name of the system")
    return parser


def main() -> None:
    """Run the command line; the exit status is 2 if an option or variable is invalid."""
    args = build_parser().parse_args(sys.argv[1:3])
    text = description(args.recipe)
    known = accepted(text)
    try:
        check_environment(os.environ)
        chosen = settings(sys.argv[3:], known, args.name, str(args.recipe))
        shared = processes(os.environ, chosen.dry_run or chosen.help)
    except InputError as error:
        report(error)
        sys.exit(2)
    if chosen.help:
        print(f"printf %s {shlex.quote(help_text(text, known))}; exit 0")
    else:
        print(*assignments(chosen, shared), sep="\n")


if __name__ == "__main__":
    run_command(main)
