"""What the README shows is run, in the order in which it stands there."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_library_snippets_run(tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(snippets) == 3
    for folder in ("saved_models", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(snippets)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "genotype.json").exists()
    assert (tmp_path / "network.png").exists()


def test_files_and_scripts_of_the_readme_exist():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    scripts = re.findall(r"python ((?:train|benchmarks|tools)/\w+\.py)", README)
    tests = re.findall(r"tests/test_\w+\.py", README)
    assert links and scripts and tests
    for name in (*links, *scripts, *tests):
        assert (ROOT / name).exists(), name


def test_scripts_are_listed():
    for script in (ROOT / "train").glob("*.py"):
        assert f"`{script.name}`" in README
