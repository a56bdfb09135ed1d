import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import pointsman.cli
from pointsman import __version__

HEAVY = ["onnxruntime", "tokenizers", "numpy", "rich", "fastapi", "uvicorn", "genai_prices"]


def run_process(source_roots, *words, code=None, **options):
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "pointsman.cli", *words]
    environment = os.environ | {"PYTHONPATH": source_roots, "COLUMNS": "200"}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False, **options)


def test_help_names_every_verb(pointsman, monkeypatch):
    offer(monkeypatch)
    code, out, err = pointsman("--help")
    assert (code, err) == (0, "")
    verbs = [line.split()[0] for line in out.splitlines() if line.startswith("    ")]
    assert verbs == [
        *("init", "config", "route", "batch", "predict", "serve", "budget"),
        *("stats", "cost", "export", "status", "reset", "privacy", "keys", "cache", "db", "bundle", "registry"),
        *("train", "evaluate", "models", "target", "rows", "gate"),
    ]


@pytest.mark.parametrize("verb", pointsman.cli._VERBS)
def test_every_verb_has_help(pointsman, verb):
    code, out, err = pointsman(verb, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: pointsman {verb} ")


def test_help_imports_nothing_heavy(source_roots):
    code = f"""
import sys
from pointsman.cli import _VERBS, main
assert main(["--help"]) == 0
sys.exit("imported: " + ", ".join(name for name in {HEAVY} if name in sys.modules))
"""
    done = run_process(source_roots, code=code)
    assert done.stderr.decode().strip() == "imported:"


def test_a_verb_imports_only_its_own_file(source_roots):
    code = """
import sys
from pointsman.cli import _VERBS, main
main(["bundle", "--help"])
sys.exit(" ".join(sorted(name for name in sys.modules if name.startswith("pointsman.cli."))))
"""
    done = run_process(source_roots, code=code)
    assert done.stderr.decode().strip() == "pointsman.cli.bundle pointsman.cli.options"


def test_the_version_is_printed(pointsman):
    assert pointsman("--version") == (0, f"pointsman {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [((), "a verb is missing"), (("rout",), "invalid choice: 'rout'"), (("route",), "TEXT")],
)
def test_a_usage_error_returns_2(pointsman, words, complaint):
    code, out, err = pointsman(*words)
    assert (code, out) == (2, "")
    assert complaint in err


def test_a_real_process_routes_and_refuses(source_roots, bundle_dir):
    done = run_process(source_roots, "route", "Fix the login bug", "--bundle", str(bundle_dir))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Fix" not in done.stdout
    assert b"complexity" in done.stdout
    refused = run_process(source_roots, "route", "  ", "--bundle", str(bundle_dir))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr == b"error: description is empty; expected the text of the task.\n"


def test_a_closed_pipe_ends_quietly(source_roots):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "pointsman.cli", "registry", "list", "--json"]
    environment = os.environ | {"PYTHONPATH": source_roots}
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(command, env=environment, stdout=pipe, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_interrupt_returns_130(pointsman, monkeypatch):
    def interrupted(words):
        raise KeyboardInterrupt

    monkeypatch.setattr(pointsman_cli(), "_run", interrupted)
    assert pointsman("route", "x") == (130, "", "")


def test_a_system_error_is_a_message_and_no_traceback(pointsman, monkeypatch):
    def denied(words):
        raise PermissionError(13, "Permission denied", "bundle/manifest.json")

    monkeypatch.setattr(pointsman_cli(), "_run", denied)
    assert pointsman("route", "x") == (2, "", "error: bundle/manifest.json: Permission denied.\n")


def pointsman_cli():
    return pointsman.cli


NEEDS_TRAIN = 'error: pointsman train needs the extra "train". Install it with: pip install "pointsman[train]"\n'


def offer(monkeypatch, *entries):
    monkeypatch.setattr(pointsman_cli(), "entry_points", lambda group: [e for e in entries if e.group == group])


def test_train_without_its_package_names_the_extra(pointsman, monkeypatch):
    offer(monkeypatch)
    assert pointsman("train", "--output", "x") == (2, "", NEEDS_TRAIN)


@pytest.mark.parametrize(
    "source",
    [
        "import no_such_library\n",
        "def add_parser(s):\n    s.add_parser('train')\ndef run(args):\n    import no_such_library\n",
    ],
)
def test_train_without_its_libraries_names_the_extra(pointsman, monkeypatch, tmp_path, source):
    name = f"training_verb_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    offer(monkeypatch, EntryPoint("train", name, "pointsman.commands"))
    assert pointsman("train") == (2, "", NEEDS_TRAIN)


def test_a_defect_in_an_offered_verb_is_not_taken_for_a_missing_extra(pointsman, monkeypatch, tmp_path):
    (tmp_path / "defective_verb.py").write_text("import pointsman.no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    offer(monkeypatch, EntryPoint("train", "defective_verb", "pointsman.commands"))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        pointsman("train")


def test_a_verb_of_another_package_gets_its_options_and_returns_its_code(pointsman, monkeypatch, tmp_path):
    (tmp_path / "greeting_verb.py").write_text(
        "def add_parser(s):\n    s.add_parser('greet', help='greet').add_argument('--name')\n"
        "def run(args):\n    print('hello', args.name)\n    return 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    offer(monkeypatch, EntryPoint("greet", "greeting_verb", "pointsman.commands"))
    assert pointsman("greet", "--name", "Ada") == (7, "hello Ada\n", "")
    assert "greet" in pointsman("--help").out
