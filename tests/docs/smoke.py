"""How the commands of the documentation are run at the smallest size: one table.

Names of files and all other options stay as the reader sees them.
"""

# Added to each command of a program; where an option comes twice, the last one counts.
ADDED = {
    "fairseq-train": [
        *("--max-update", "2", "--batch-size", "4", "--update-freq", "1", "--samples-per-epoch", "4", "--cpu"),
        *("--num-workers", "0", "--eval-samples", "2", "--eval-args", "{'beam': 1, 'max_len_b': 4}"),
        *("--max-valid-steps", "2", "--no-progress-bar"),
    ],
    "fairseq-generate": ["--cpu", "--beam", "2", "--max-len-b", "4", "--num-workers", "0"],
    "fairseq-interactive": ["--cpu", "--beam", "2", "--max-len-b", "4"],
    "run": ["--workers", "1"],
    "vocab": ["--size", "1200"],
    "vocab-extend": ["--size", "400"],
    "score": ["--bootstrap", "20", "--trials", "20"],
}
SWCM = {"train": "fairseq-train"}  # commands of swcm that are in the table by another name
REPLACED = {"xlm_swcm": "xlm_swcm_tiny", "xlm_swcm_base": "xlm_swcm_tiny"}  # the encoder of the tests is as small
LEFT_OUT = {"--fp16"}

# Commands that cannot be run here, by their beginning, and why.
NOT_RUN = {
    "swcm convert --hub": "downloads; its arguments are parsed",
    "sbatch": "needs SLURM; its script is there",
}
