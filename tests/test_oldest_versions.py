"""The oldest versions that are tried are those of setup.py, and what needs no TensorFlow asks for the same."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SETUP = """
from setuptools import setup
setup(name="a", install_requires=["numpy>=1.26", "scipy>=1.11.1"],
      extras_require={"test": ["moto[server]>=5.0"], "torch": ["torch>=2.6"]})
"""


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci" / "oldest_versions.py"))


def test_requirements_are_those_of_the_package_and_its_tests(tool: dict[str, Any]) -> None:
    found = tool["requirements"](SETUP)
    assert found == ["numpy>=1.26", "scipy>=1.11.1", "moto[server]>=5.0"]
    assert [tool["oldest"](requirement) for requirement in found] == ["numpy==1.26", "scipy==1.11.1", "moto==5.0"]


@pytest.mark.parametrize("requirement", ["numpy", "numpy==1.26", "numpy<2", "numpy>=1.26,<2", "numpy>=1.26; x"])
def test_a_requirement_without_one_lower_bound_alone_is_refused(tool: dict[str, Any], requirement: str) -> None:
    with pytest.raises(ValueError, match="expected NAME>=VERSION"):
        tool["oldest"](requirement)


def test_every_requirement_of_this_project_has_a_lower_bound(tool: dict[str, Any]) -> None:
    found = tool["requirements"]((ROOT / "setup.py").read_text(encoding="utf-8"))
    assert len([tool["oldest"](requirement) for requirement in found]) == len(set(found)) > 20


def test_the_light_requirements_have_the_bounds_of_the_package(tool: dict[str, Any]) -> None:
    known = tool["requirements"]((ROOT / "setup.py").read_text(encoding="utf-8"))
    lines = (ROOT / "requirements-light.txt").read_text(encoding="utf-8").splitlines()
    light = [line for line in lines if not line.startswith("#")]
    assert light
    assert set(light) - set(known) == set()
