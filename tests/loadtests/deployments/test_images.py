from pathlib import Path

import pytest

from loadtests.deployments.images import build_step, environment_inputs


def test_the_image_is_built_again_when_its_inputs_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("1")
    first = environment_inputs(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.pyc").touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    assert environment_inputs(tmp_path) == first
    (tmp_path / "app.py").write_text("2")
    second = environment_inputs(tmp_path)
    (tmp_path / "app.py").rename(tmp_path / "main.py")
    third = environment_inputs(tmp_path)
    monkeypatch.setenv("PYTHON_IMAGE", "python:3.14")
    assert len({first, second, third, environment_inputs(tmp_path)}) == 4


@pytest.mark.parametrize(
    ("log", "step"),
    [
        ("Sending build context\n", None),
        ("Step 1/9 : FROM python\n ---> 1f\nStep 2/9 : COPY . .\n", "Step 2/9 : COPY . ."),
        ("#1 [internal] load\n#7 [env 3/8] RUN pip install\n#7 1.2 ok\n", "#7 [env 3/8] RUN pip install"),
    ],
)
def test_the_step_that_a_build_has_come_to_is_read_from_either_builders_log(
    log: str, step: str | None
) -> None:
    assert build_step(log) == step
