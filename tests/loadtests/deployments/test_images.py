import pytest

from loadtests.deployments.images import build_step, workers_of


@pytest.mark.parametrize(
    ("command", "workers"),
    [
        ("sh -c cd /app/env && uvicorn server.app:app --host 0.0.0.0 --port 8000", 4),
        ("gunicorn -c server/gunicorn.conf.py server.app:app", 4),
        ("sh -c uvicorn server.app:app --workers ${WORKERS:-1}", 4),
        ("uvicorn server.app:app --workers 2", 2),
        ("gunicorn -w=3 server.app:app", 3),
        ("uvicorn server.app:app --reload", 1),
        ("python -m server.app", 1),
        ("python -c import uvicorn; uvicorn.run(app)", 1),
    ],
)
def test_how_many_workers_a_start_command_gives(command: str, workers: int) -> None:
    assert workers_of(command, 4) == workers


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
