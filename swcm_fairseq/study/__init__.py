"""A study of what each part of the method is worth: many systems, equal updates, several seeds, honest intervals."""
