"""The virtual environment that the Makefile sets up."""

import shutil
import subprocess
import sys
from pathlib import Path

from .conftest import ROOT, environ_with


def test_the_package_is_imported_from_everywhere(tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    shutil.copy(ROOT / "Makefile", checkout)
    # It is in every virtual environment already, so that nothing is downloaded.
    (checkout / "requirements.lock").write_text("pip\n")
    (checkout / "benchmark_env").mkdir()
    (checkout / "benchmark_env" / "__init__.py").touch()

    subprocess.run(
        ["make", ".venv/.ready", f"PYTHON={sys.executable}"], cwd=checkout, check=True, timeout=200
    )
    found = subprocess.run(
        [checkout / ".venv" / "bin" / "python", "-c", "import benchmark_env; print(benchmark_env.__file__)"],
        cwd=tmp_path,
        env=environ_with(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=True,
    )

    assert Path(found.stdout.strip()) == checkout / "benchmark_env" / "__init__.py"
