"""Config files: default.py holds every field, the others what they change, each with the score it reaches."""
