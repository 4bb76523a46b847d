"""What docs/kubernetes.md tells its readers to write and to run."""

import re
import shlex

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "kubernetes.md"


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def overlay() -> str:
    """The kustomization that a reader writes beside the base."""
    (found,) = [block for block in blocks("") if "kind: Kustomization" in block]
    return found


def kubectl_commands() -> list[list[str]]:
    """Each as its words; what its output goes through is left out."""
    lines = "".join(blocks("bash")).splitlines()
    return [shlex.split(line.partition(" | ")[0]) for line in lines if line.startswith("kubectl ")]


def copy_out() -> list[str]:
    """The command that runs in the Job's pod and prints the records."""
    (found,) = [words[words.index("--") + 1 :] for words in kubectl_commands() if "--" in words]
    return found
