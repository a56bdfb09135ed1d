"""Pointsman's training pipeline: outcomes and labelled tasks in, a verified bundle out."""

import importlib.util

from pointsman.errors import MissingExtra

if missing := [
    name for name in ("joblib", "onnx", "pyarrow", "scipy", "skl2onnx", "sklearn") if not importlib.util.find_spec(name)
]:
    raise MissingExtra(f"Training (it lacks {', '.join(missing)})", "train")
