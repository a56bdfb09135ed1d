"""Verbs of the command line that need the training extra; `pointsman` finds them as entry points."""
