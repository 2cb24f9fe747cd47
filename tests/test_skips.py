"""In CI no test is skipped for want of a package, see `skips.py`."""

import os
import pathlib
import subprocess
import sys

import pytest
import skips

CONFTEST = """
from skips import pytest_make_collect_report
from skips import pytest_runtest_makereport
"""
TESTS = """
import pytest

def test_that_passes():
    pass

def test_of_a_package():
    pytest.importorskip("no_such_package")

@pytest.mark.skipif(True, reason="needs Graphviz: apt install graphviz")
def test_of_a_program():
    pass

@pytest.mark.skipif(True, reason="no GPU")
def test_of_a_gpu():
    pass

@pytest.mark.skipif(True, reason="root may write everywhere")
def test_of_permissions():
    pass

@pytest.mark.xfail
def test_that_is_known_to_fail():
    assert False
"""


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ("", "1 passed, 5 skipped, 1 xfailed"),
        ("required", "1 failed, 1 passed, 2 skipped, 1 xfailed, 2 errors"),
    ],
)
def test_skips_for_want_of_a_package_fail_where_all_are_required(
    value, counts, tmp_path
):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_functions.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(
        "import pytest\npytest.importorskip('no_such_module')\n"
    )
    helpers = str(pathlib.Path(skips.__file__).parent)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--continue-on-collection-errors", tmp_path],
        env={**os.environ, "ATDARTS_PACKAGES": value, "PYTHONPATH": helpers},
        capture_output=True,
        text=True,
    )
    assert counts in done.stdout, done.stdout
    if value:
        assert "no_such_module" in done.stdout
        assert "apt install graphviz, though ATDARTS_PACKAGES" in done.stdout
