"""The error for a model nobody knows names the ones that were perhaps meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from pointsman.errors import UnknownModel

_MAX_SHOWN_CHARACTERS = 100


def unknown_model(model_id: str, known: Iterable[str], where: str) -> UnknownModel:
    """Return the error that names the known ids closest to this one."""
    shown = model_id[:_MAX_SHOWN_CHARACTERS]
    by_folded = {name.lower(): name for name in known}
    close = [by_folded[name] for name in get_close_matches(shown.lower(), list(by_folded), n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(close)}?" if close else "list what there is with: pointsman registry list --all"
    return UnknownModel(f'No model "{shown}" in {where}; {hint}', field="model")
