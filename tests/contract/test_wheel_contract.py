import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

BUNDLE_FILES = {"graph.onnx", "tokenizer.json", "manifest.json", "card.md"}
DEV_ONLY = ("onnx", "torch", "scikit-learn", "fastapi", "uvicorn", "mlflow", "pandas", "pytest", "pyarrow")


@pytest.fixture(scope="session")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The Python of an environment that has the wheel and what it depends on without extras, and nothing else.

    The packages it depends on are linked from this environment, so that nothing is downloaded; pip then has to find
    that they satisfy the wheel.
    """
    home = tmp_path_factory.mktemp("empty")
    venv.create(home, with_pip=False)
    (packages,) = home.glob("lib/python*/site-packages")
    for name in requirements_of(requirements_in(wheel)):
        link_distribution(name, packages)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--quiet", str(wheel)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, env=clean_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return python


def requirements_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist")


def requirements_of(lines):
    """Return the names of all distributions that requirements without extras lead to."""
    names, waiting = set(), list(lines)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = requirement.extras or {""}
        if name in names or not applies(requirement, {""}):
            continue
        names.add(name)
        inner = [Requirement(line) for line in metadata.requires(name) or []]
        waiting += [str(other).partition(";")[0] for other in inner if applies(other, extras)]
    return names


def applies(requirement, extras):
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def link_distribution(name, packages):
    distribution = metadata.distribution(name)
    tops = {file.parts[0] for file in distribution.files if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        source = Path(distribution.locate_file(top))
        if not (packages / top).exists():
            (packages / top).symlink_to(source, target_is_directory=source.is_dir())


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV"))}


def run(python, *command, cwd):
    command = [str(python), *command] if command[0].startswith("-") else [str(python.parent / command[0]), *command[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=clean_environment())


def test_the_wheel_holds_both_packages_and_the_bundle_that_comes_along(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name in BUNDLE_FILES:
            assert archive.read(f"pointsman/bundled/{name}") == (root / "models" / "default" / name).read_bytes()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pointsman", "pointsman_training"}
    assert {"pointsman/py.typed", "pointsman/registry/fleets/default.yaml"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".pkl", ".parquet"))]


def test_the_wheel_holds_every_file_of_the_packages(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for package in (root / "serving" / "pointsman", root / "training" / "pointsman_training"):
        files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert {str(path.relative_to(package.parent)) for path in files} <= packed


def test_the_wheel_carries_licence_and_notice(wheel):
    with zipfile.ZipFile(wheel) as archive:
        licences = {name.split("/")[-1] for name in archive.namelist() if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


def test_the_source_archive_holds_what_the_wheel_is_built_from_and_no_data(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"serving", "training", "models", "README.md", "LICENSE", "NOTICE", "pyproject.toml"} <= tops
    assert not tops & {"datasets", "tests", ".venv", "out"}


def test_the_base_install_is_small(wheel):
    names = requirements_of(requirements_in(wheel))
    assert {"numpy", "onnxruntime", "tokenizers", "msgspec"} <= names
    assert names.isdisjoint(DEV_ONLY)


def test_an_install_without_extras_routes_from_python(installed, tmp_path, router):
    code = (
        "import json, pointsman, sys; from pointsman import Router, Task\n"
        "router = Router.load(); decision = router.route(Task('Fix the login bug', type='debugging', budget_usd=0.5))\n"
        "print(json.dumps([pointsman.__file__, str(router.bundle.path), decision.model, decision.cost_nanousd]))"
    )
    done = run(installed, "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    file, bundle, model, cost = json.loads(done.stdout)
    package = Path(file).parent
    assert package.is_relative_to(installed.parents[1])
    assert Path(bundle) == package / "bundled"
    from pointsman import Task

    here = router.route(Task("Fix the login bug", type="debugging", budget_usd=0.5))
    assert (model, cost) == (here.model, here.cost_nanousd)


def test_an_install_without_extras_routes_from_the_command_line(installed, tmp_path, router):
    done = run(installed, "pointsman", "route", "Fix the login bug", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    decision = json.loads(done.stdout)
    here = router.route("Fix the login bug")
    assert (decision["model"], decision["bundle"]) == (here.model, here.bundle)


def test_an_install_without_extras_verifies_its_bundle_and_lists_its_fleet(installed, tmp_path):
    assert run(installed, "pointsman", "bundle", "verify", "default", cwd=tmp_path).returncode == 0
    assert "gpt-4o" in run(installed, "pointsman", "registry", "list", cwd=tmp_path).stdout


@pytest.mark.parametrize(("verb", "extra"), [("serve", "serve"), ("train", "train"), ("rows", "train")])
def test_a_verb_whose_extra_is_missing_names_the_install_that_brings_it(installed, tmp_path, verb, extra):
    arguments = {
        "serve": ["--port", "0"],
        "train": ["--outcomes", "x", "--prices", "y", "--output", "z"],
        "rows": ["--outcomes", "x", "--output", "z"],
    }
    done = run(installed, "pointsman", verb, *arguments[verb], cwd=tmp_path)
    assert done.returncode == 2
    assert f'pip install "pointsman[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr
