"""The settings: pointsman.yaml and the environment, read into one frozen value."""

from pointsman.configuration.reading import Findings, examine, read_configuration
from pointsman.configuration.reloading import FIXED, Source, refuse_fixed_changes
from pointsman.configuration.remarks import Remark
from pointsman.configuration.words import Configuration

__all__ = [
    "FIXED",
    "Configuration",
    "Findings",
    "Remark",
    "Source",
    "examine",
    "read_configuration",
    "refuse_fixed_changes",
]
