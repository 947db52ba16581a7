from __future__ import annotations

import subprocess
from pathlib import Path

from rsd.runs.store.manifest import git_commit


def test_the_commit_is_that_of_the_source_tree_and_of_no_project_around_it(tmp_path: Path) -> None:
    me = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for command in (("init", "-q"), (*me, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    installed = tmp_path / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    commit = git_commit(tmp_path)
    assert commit is not None
    assert len(commit.rstrip("+")) == 40
    assert git_commit(installed) is None
