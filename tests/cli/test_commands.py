"""Every command: two examples, --json, a page in the docs; nothing heavy is imported to say so."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from bwc.cli.main import COMMANDS, cli, run

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("av", "cv2", "numpy", "onnxruntime", "rich", "boto3", "cryptography")


def _docs_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("command_docs", ROOT / "scripts" / "command_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _leaves() -> list[tuple[str, click.Command]]:
    found = _docs_script().walk(cli, ("bwc",))
    return [(" ".join(path), command) for path, command in found if not isinstance(command, click.Group)]


LEAVES = _leaves()


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_command_has_two_examples_json_and_help(name: str, command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=name))
    examples = text.split("Examples:")[1]
    assert examples.count("bwc ") >= 2
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--quiet", "--verbose", "--vault"} <= options
    bare = [one.opts for one in command.params if isinstance(one, click.Option) and not one.help]
    assert not bare, "an option without help"


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    module = _docs_script()
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run: python scripts/command_docs.py"


def test_every_command_has_its_schema() -> None:
    import json

    known = json.loads((ROOT / "docs" / "json-schema.json").read_text(encoding="utf-8"))["$defs"]
    names = {name.removeprefix("bwc ") for name, _ in LEAVES}
    # commands three words deep share the schema of their group, as the journeys look them up
    assert {name if name in known else " ".join(name.split()[:2]) for name in names} == set(known) - {"error"}


def test_the_short_help_names_every_command() -> None:
    for name, (module, function, text) in COMMANDS.items():
        assert text
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, f"{module}.{function}"


@pytest.mark.parametrize("words", [["--help"], ["list", "--help"], ["detect", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        f"import sys; from bwc.cli.main import run; run({words!r}); print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--nonsense"]) == 2
    assert "bwc: error: " in capsys.readouterr().err


def test_an_option_before_its_command_is_told_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--vault", "/srv/my vault", "list"]) == 2
    assert "bwc list --vault '/srv/my vault'" in capsys.readouterr().err
    assert run(["--nonsense"]) == 2
    assert "bwc: hint: bwc --help" in capsys.readouterr().err


def test_errors_are_json_with_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import json

    assert run(["list", "--json", "--vault", str(tmp_path)]) == 10
    captured = capsys.readouterr()
    document = json.loads(captured.out)["error"]
    assert document["exit_code"] == 10
    assert document["name"] == "NoVault"
    assert "bwc: hint: " in captured.err


def test_a_full_disk_behind_standard_output_does_not_hide_the_error(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "bwc.cli.main", "list", "--json", "--vault", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 10
    assert "is not a vault" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("4", "4")])
def test_numpy_gets_no_threads_that_it_could_wait_for_in_vain(before: str | None, after: str) -> None:
    surroundings = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    if before is not None:
        surroundings["OPENBLAS_NUM_THREADS"] = before
    asked = "import sys, os, bwc.cli.main; print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    words = [sys.executable, "-c", asked]
    told = subprocess.run(words, capture_output=True, text=True, check=True, env=surroundings, timeout=60)
    assert told.stdout.split() == ["False", after]


def test_a_mistyped_command_is_told_which_one_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detct", "K4J7QX"]) == 2
    assert "bwc: hint: did you mean: bwc detect" in capsys.readouterr().err
    assert run(["frobnicate"]) == 2
    assert "bwc: hint: bwc --help" in capsys.readouterr().err


def test_the_policy_is_shown_as_it_is_typed() -> None:
    from bwc.cli.upkeep import _policy_text
    from bwc.roles import Policy

    rows = dict(line.split(maxsplit=1) for line in _policy_text(Policy(worker=True).to_json()).splitlines())
    assert (rows["worker"], rows["fips"], rows["copies"]) == ("true", "false", "1")
