"""A package small enough to be made here, and lock files of it: what installs from them needs no index."""

import hashlib
import zipfile
from pathlib import Path

NAME, VERSION = "a-little-package", "1.0"
MODULE = "a_little_package"


def write_wheel(folder: Path) -> Path:
    """Writes a wheel whose module says `here = True`."""
    about = f"{MODULE}-{VERSION}.dist-info"
    files = {
        f"{MODULE}.py": "here = True\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{MODULE}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{about}/RECORD": record}.items():
            # Without the time, so that the same wheel is made each time.
            archive.writestr(zipfile.ZipInfo(name), text)
    return wheel


def lock_of(wheel: Path, *, changed: bool = False) -> str:
    """The text of a lock file of a wheel; `changed`: as it would be had the wheel another content."""
    content = wheel.read_bytes() + (b"!" if changed else b"")
    others = "".join(f" \\\n    --hash=sha256:{n:064x}" for n in range(20))
    return f"{NAME}=={VERSION} \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}{others}\n"
