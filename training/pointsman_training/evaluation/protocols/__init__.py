"""Protocols: what a router is asked under, each a module here with one function `run(inputs, options)`."""
