"""Studies of what each part of the method contributes: many systems, equal updates, several seeds, intervals."""
