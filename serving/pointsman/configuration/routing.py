"""The section `routing`, which becomes a policy, and `budgets`, which becomes rules."""

from collections.abc import Mapping
from pathlib import Path as File
from typing import Any, Final

from pointsman.budget.parsing import parse_rules
from pointsman.budget.rules import Rules
from pointsman.configuration.remarks import Path, Remarks, each_mistake
from pointsman.configuration.sections import read_section
from pointsman.configuration.substitution import scalars
from pointsman.configuration.words import RoutingSettings
from pointsman.errors import InvalidInput, PointsmanError
from pointsman.policy import Policy
from pointsman.policy_file import read_policy

_POLICY_PARTS: Final = (
    "strategy", "confidence", "trade_usd", "target_quality", "weights", "trade_usd_by_type", "production",
)  # fmt: skip


def read_routing(data: object, folder: File, remarks: Remarks) -> tuple[RoutingSettings, Policy]:
    """Return the section and its policy: that of the file it names, or of its parts.

    A relative path counts from `folder`, where the configuration lies; from the environment, from where one is.
    """
    given = dict(data) if isinstance(data, Mapping) else data
    if isinstance(given, dict) and (given.get("confidence") is False or given.get("confidence") == "off"):
        given["confidence"] = None
    values = _section(given, remarks)
    for name in ("bundle", "policy"):
        values[name] = path_of(values.get(name), ("routing", name), folder, remarks)
    parts: dict[str, Any] = {name: values[name] for name in _POLICY_PARTS if name in values}
    settings = RoutingSettings(**values)
    if settings.bundle is not None and not File(settings.bundle).is_dir():
        remarks.mistake(("routing", "bundle"), f"routing.bundle: there is no directory {settings.bundle}.")
    if settings.policy is None:
        return settings, _policy(parts, remarks)
    if parts:
        said = f"routing.policy already says what {', '.join(parts)} would"
        remarks.mistake(("routing", "policy"), f"{said}; give one or the other.")
    try:
        return settings, read_policy(settings.policy)
    except InvalidInput as error:
        remarks.mistake(("routing", "policy"), f"routing.policy: {error.message}")
        return settings, Policy()


def _section(given: object, remarks: Remarks) -> dict[str, Any]:
    try:
        return read_section(RoutingSettings, given, ("routing",), remarks)
    except InvalidInput as error:  # the weights as a whole
        remarks.mistake(("routing", "weights"), f"routing.{error.message}")
        assert isinstance(given, Mapping)
        rest = {name: value for name, value in given.items() if name != "weights"}
        return read_section(RoutingSettings, rest, ("routing",), remarks)


def _policy(parts: dict[str, Any], remarks: Remarks) -> Policy:
    def drop(error: PointsmanError) -> bool:
        name = "trade_usd_by_type" if error.field == "type" else error.field or ""
        remarks.mistake(("routing", name), f"routing.{error.message}")
        return parts.pop(name, None) is not None

    return each_mistake(lambda: Policy(**parts), drop) or Policy()


def path_of(value: str | None, path: Path, folder: File, remarks: Remarks) -> str | None:
    """Return a path that counts from `folder`, unless the environment gave it; None for none or "default"."""
    if value is None or value == "default":
        return None
    return value if path in remarks.variables else str(folder / File(value).expanduser())


def read_budgets(data: object, remarks: Remarks) -> Rules | None:
    """Return the rules of the section: the default ones where it is left out, None where it is `false`."""
    if data is False:
        return None
    fields = scalars(data)

    def drop(error: PointsmanError) -> bool:
        remarks.mistake(_budget_path(error.field or ""), f"budgets.{error.message}")
        top = (error.field or "").partition(".")[0]
        is_root = not isinstance(fields, dict) or top in ("daily_usd", "plans")  # others rest on these
        return not is_root and fields.pop(top, None) is not None

    return each_mistake(lambda: parse_rules(fields), drop)


def _budget_path(field: str) -> Path:
    """Return the path of a rule's field; a payer's name may have dots in it, an amount's has none."""
    head, _, rest = field.partition(".")
    if head != "named" or "." not in rest:
        return ("budgets", *(part for part in field.split(".") if part))
    scope, _, last = rest.rpartition(".")
    return ("budgets", head, scope, last)
