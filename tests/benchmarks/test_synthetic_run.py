from pathlib import Path

import numpy as np
import pytest

from benchmarks import synthetic_run
from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.run.report import report_run


def test_a_run_too_large_for_memory_is_made_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_run, "_ROWS_AT_ONCE", 300)
    what = SyntheticRun(rows=1000, users=10, failure_share=0.02, episode_steps=4)
    directory = write_synthetic_run(tmp_path / "run", what, compacted=False)

    recorded = list(directory.steps.batches())
    ended = np.concatenate(
        [batch["started_at"].to_numpy() + batch["latency_s"].to_numpy() for batch in recorded]
    )
    assert ended.size == 1000
    assert (np.diff(ended) >= -1e-6).all()

    report = report_run(directory)
    assert report.isolation.violations == 0
    assert report.totals.sessions >= 10 * 4
    assert report.totals.users == 10
