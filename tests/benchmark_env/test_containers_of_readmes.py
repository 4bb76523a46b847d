"""Python of the READMEs that starts containers, run as it is written."""

import pytest

from .readme_blocks import READMES, Block, blocks_of, starts_container

BLOCKS = [block for readme in READMES for block in blocks_of(readme) if starts_container(block)]


@pytest.mark.docker
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_python_of_a_readme_that_starts_a_container_runs(
    block: Block, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert image in block.text

    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out
