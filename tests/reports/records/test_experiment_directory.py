from pathlib import Path

import pytest

from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectoryError


def test_a_run_lies_below_its_experiment(tmp_path: Path) -> None:
    assert ExperimentDirectory(tmp_path).run("20261017-140322-local").path.parent == tmp_path / "runs"


@pytest.mark.parametrize("run_id", ["", ".", "..", "../../elsewhere", "/etc", "a/b", "a/", "a\0b"])
def test_what_would_lie_elsewhere_is_no_run(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(RunDirectoryError, match=r"is not the name of a run: restore .*experiment\.json"):
        ExperimentDirectory(tmp_path).run(run_id)
