"""Whether an answer is good: checks, judges, and when to go on to the next model. Pure."""
