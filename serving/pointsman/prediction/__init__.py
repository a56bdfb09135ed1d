"""Text → what a task demands, and how well each model would do it."""

from pointsman.prediction.abilities import AbilityTable, Unmeasured, ability_table, measured_table
from pointsman.prediction.bundle import (
    Bundle,
    Manifest,
    check_target,
    default_bundle_path,
    read_bundle,
    write_bundle,
)
from pointsman.prediction.features import FEATURE_NAMES, FEATURE_VERSION, text_counts, text_counts_of
from pointsman.prediction.predictor import Predictor, Reading
from pointsman.prediction.wording import core_text

__all__ = [
    "FEATURE_NAMES",
    "FEATURE_VERSION",
    "AbilityTable",
    "Bundle",
    "Manifest",
    "Predictor",
    "Reading",
    "Unmeasured",
    "ability_table",
    "check_target",
    "core_text",
    "default_bundle_path",
    "measured_table",
    "read_bundle",
    "text_counts",
    "text_counts_of",
    "write_bundle",
]
