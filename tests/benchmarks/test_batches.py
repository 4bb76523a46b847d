import re
from pathlib import Path

import pytest

from benchmarks.batches import PartsSampler, main
from loadtests.deployments.url import UrlDeployment


def test_cpu_seconds_are_those_between_two_moments() -> None:
    sampler = PartsSampler(UrlDeployment("http://127.0.0.1:9"))
    sampler.samples += [(10.0, 1.0, 5.0, 0.0), (12.0, 2.0, 5.0, 4.0), (14.0, 2.0, 6.0, 8.0)]
    assert sampler.between(11.0, 13.0) == {"generator": 0.5, "nginx": 0.5, "server": 4.0}


def test_a_part_that_has_ended_keeps_its_cpu_seconds() -> None:
    sampler = PartsSampler(UrlDeployment("http://127.0.0.1:9"))
    sampler.samples += [(10.0, 1.0, 0.0, 5.0), (12.0, 2.0, 0.0, 5.0), (14.0, 0.0, 0.0, 6.0)]
    assert sampler.between(10.0, 14.0) == {"generator": 1.0, "nginx": 0.0, "server": 1.0}


@pytest.mark.servers
def test_a_batch_is_told_with_the_cpu_time_of_each_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = ["--batch", "200:8", "--tries", "1", "--processes", "1", "--results", str(tmp_path)]
    assert main(batch) == 0
    printed = capsys.readouterr().out
    assert "200 users: met; p99 " in printed
    assert "(bound 17 s)" in printed
    assert "met in 1 of 1 tries" in printed
    used = re.search(r"generator ([\d,]+), nginx ([\d,]+), server ([\d,]+); sum", printed)
    assert used is not None
    assert all(int(each.replace(",", "")) > 0 for each in used.groups())
