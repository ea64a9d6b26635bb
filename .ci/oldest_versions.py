"""Prints, as constraints for pip, the oldest version that setup.py allows of all that is needed and tested with."""

import ast
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.py"


def requirements(setup: str) -> list[str]:
    """Those of the package itself and of its extra `test`, from the text of a setup.py."""
    call = next(
        node for node in ast.walk(ast.parse(setup)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"
    )
    arguments = {keyword.arg: keyword.value for keyword in call.keywords}
    extras = ast.literal_eval(arguments["extras_require"])
    return [*ast.literal_eval(arguments["install_requires"]), *extras["test"]]


def oldest(requirement: str) -> str:
    """`name==version` of `name>=version` or `name[extra]>=version`, since constraints have no extras.

    Raises `ValueError` for a requirement without one lower bound alone.
    """
    name, bound, version = requirement.partition(">=")
    if not bound or not version.replace(".", "").isdecimal():
        raise ValueError(f"{requirement}: expected NAME>=VERSION")
    return f"{name.partition('[')[0]}=={version}"


if __name__ == "__main__":
    print(*map(oldest, requirements(SETUP.read_text(encoding="utf-8"))), sep="\n")
