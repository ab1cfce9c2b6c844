"""How tests run the documented commands at the smallest size, as one table.

File names and all other options remain as documented.
"""

# Options to add to each command of a program; if an option is given twice, the last one counts.
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
SWCM = {"train": "fairseq-train"}  # command of swcm -> its name in the table
REPLACED = {"xlm_swcm": "xlm_swcm_tiny", "xlm_swcm_base": "xlm_swcm_tiny"}  # to match the size of the tests' encoder
LEFT_OUT = {"--fp16"}

# Beginning of a command that cannot be run -> reason.
NOT_RUN = {
    "swcm convert --hub": "downloads; its arguments are parsed",
    "sbatch": "needs SLURM; its script is there",
}
