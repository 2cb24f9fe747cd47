"""Skipped tests that count as failed, where all that is optional must be installed.

`.ci/run` sets `ATDARTS_PACKAGES=required`: a test that is skipped for want of a
package or a program then fails. Only tests that root cannot do or that need a GPU
may be skipped; their reasons say so.
"""

import os
import re

import pytest

EXCUSE = re.compile(r"\b(root|GPUs?)\b")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return without_skip((yield))


def without_skip(report):
    """Returns the report of a test or of a file, failed if its skip has no excuse."""
    required = os.environ.get("ATDARTS_PACKAGES") == "required"
    if required and report.skipped and not hasattr(report, "wasxfail"):
        *_, reason = report.longrepr
        if not EXCUSE.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}, though ATDARTS_PACKAGES=required"
    return report
