"""No password, token or key reaches a message, a log line or a manifest."""

import logging
import subprocess

import pytest

from onward.errors import OnwardError, RunError, SettingsError
from onward.redaction import RedactedFormatter, redact
from onward.runs.history.reproduce import reproduce
from onward.runs.protocol.git import Git, GitError
from onward.runs.protocol.locations import RunLocations
from onward.settings import ProjectSettings, read_settings

TOKEN = "s3cr3t-T0ken"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"no run on https://shop:{TOKEN}@git.org/shop.git or /srv", "no run on https://…@git.org/shop.git or /srv"),
        (f"https://{TOKEN}@host/a", "https://…@host/a"),
        (f"(https://shop:{TOKEN}@host)", "(https://…@host)"),
        (f"https://shop:pa/{TOKEN}@host/a", "https://…@host/a"),
        (f"https://shop:p@{TOKEN}@host/a", "https://…@host/a"),
        (f"postgresql+psycopg2://mlflow:{TOKEN}@db:5432/mlflow", "postgresql+psycopg2://…@db:5432/mlflow"),
        (f"https://host/x?a=1&sig={TOKEN}&b=2", "https://host/x?a=1&sig=…&b=2"),
        (f"https://b.s3.amazonaws.com/k?X-Amz-Signature={TOKEN}", "https://b.s3.amazonaws.com/k?X-Amz-Signature=…"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: …"),
        (f"host=db password={TOKEN} user=x", "host=db password=… user=x"),
        (f'{{"token": "{TOKEN}", "a": 1}}', '{"token": "…", "a": 1}'),
        ("remote: ghp_0123456789abcdefghij0123456789abcdef denied", "remote: … denied"),
        ("key AKIA0123456789ABCDEF", "key …"),
        ("POST https://hooks.slack.com/services/T0/B0/abcdef failed", "POST https://hooks.slack.com/… failed"),
        ("git@host:shop.git, /srv/a@b, user@example.org", "git@host:shop.git, /srv/a@b, user@example.org"),
        ("https://host/shop.git and s3://bucket/dvc", "https://host/shop.git and s3://bucket/dvc"),
    ],
)  # fmt: skip
def test_what_is_secret_is_left_out_and_the_rest_stays(text, said):
    assert redact(text) == said
    assert str(OnwardError(text)) == said


def test_a_log_line_and_its_traceback_are_redacted():
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "took %s", (f"https://a:{TOKEN}@host",), None)
    assert RedactedFormatter("%(message)s").format(record) == "took https://…@host"


@pytest.fixture
def clone(tmp_path):
    """A project that was cloned with a token in the address, as a CI job does it."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    origin = f"http://shop:{TOKEN}@127.0.0.1:9/shop.git"
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=tmp_path, check=True)
    return tmp_path


def test_the_token_of_a_clone_is_in_no_message(clone):
    with pytest.raises(GitError) as refused:
        Git(clone)("ls-remote", "origin")
    assert TOKEN not in str(refused.value)
    places = RunLocations.of(ProjectSettings(project=clone, dvc_remote="/srv/dvc"))
    with pytest.raises(RunError, match=r"http://…@127\.0\.0\.1:9/shop\.git") as refused:
        reproduce(places, "2017-11-20-3f2a9c1b", None, print)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "address", "remedy"),
    [
        ("GIT_REMOTE", f"https://shop:{TOKEN}@host/shop.git", "git config --global credential.helper"),
        ("GIT_REMOTE", f"https://{TOKEN}@host/shop.git", "git config --global credential.helper"),
        ("GIT_REMOTE", f"ssh://git:{TOKEN}@host/shop.git", "git config --global credential.helper"),
        ("DVC_REMOTE", f"webdavs://shop:{TOKEN}@host/dvc", "AWS_ACCESS_KEY_ID"),
        ("DVC_REMOTE", f"https://host/dvc?sig={TOKEN}", "AWS_ACCESS_KEY_ID"),
        ("DVC_REMOTE_ENDPOINT", f"http://key:{TOKEN}@minio:9000", "AWS_ACCESS_KEY_ID"),
        ("REGISTRY_ARTIFACTS", f"s3://key:{TOKEN}@bucket/bundles", "AWS_ACCESS_KEY_ID"),
        ("WATCHING", f"s3://key:{TOKEN}@bucket/watching", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_with_a_place_for_the_secret(monkeypatch, name, address, remedy):
    monkeypatch.setenv(f"ONWARD_{name}", address)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert TOKEN not in str(refused.value)
    assert f"ONWARD_{name}" in str(refused.value)
    assert remedy in str(refused.value)


@pytest.mark.parametrize(
    "address", ["git@host:shop.git", "ssh://git@host/shop.git", "https://host/shop.git", "/srv/a@b"]
)
def test_an_address_without_one_is_taken(monkeypatch, address):
    monkeypatch.setenv("ONWARD_GIT_REMOTE", address)
    assert read_settings().git_remote == address


def test_a_secret_in_the_projects_own_dvc_remote_never_reaches_a_manifest(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = webdavs://shop:{TOKEN}@host/dvc\n"
    )
    with pytest.raises(RunError, match=r"dvc remote modify --local store") as refused:
        RunLocations.of(ProjectSettings(project=tmp_path))
    assert TOKEN not in str(refused.value)
