"""The only import of MLflow: a run per trained bundle, with parameters, metrics and the bundle's files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow

from pointsman.prediction import read_bundle

EXPERIMENT = "pointsman"


def log_bundle(uri: str, bundle: Path, parameters: Mapping[str, Any]) -> str:
    """Log a bundle to an MLflow tracking URI and return the run's id."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(EXPERIMENT)
    manifest = read_bundle(bundle).manifest
    with mlflow.start_run() as run:
        mlflow.log_params({name: str(value)[:500] for name, value in parameters.items()})
        mlflow.log_metrics(dict(_numbers(manifest.metrics)))
        mlflow.log_artifacts(str(bundle), "bundle")
        return str(run.info.run_id)


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", float(value)
