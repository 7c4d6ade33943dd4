"""What a worker may read: below its configured prefixes, spelled plainly, and nothing else."""

from __future__ import annotations

import pytest

from helios_pipe.errors import AdapterError, UsageError
from helios_pipe.worker.access import JobPrefixes, without_own

PREFIXES = JobPrefixes(
    "s3://bucket/renders", ["https://jobs.example/a", "file:///srv/jobs", "http://127.0.0.1:8000/specs/"]
)


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/renders/jobs/abc.json",
        "https://jobs.example/a/job.json",
        "https://jobs.example/a/b/job.json?X-Amz-Signature=abc%2F..%2F",
        "file:///srv/jobs/job.json",
        "http://127.0.0.1:8000/specs/job.json",
    ],
)
def test_what_stands_below_a_prefix_may_be_read(url: str) -> None:
    assert PREFIXES.check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd", "job.json", "../job.json", "", "s3://bucket/renders/cas/abc", "s3://bucket/renders", "s3://bucket/x",
        "s3://bucket/renders/jobs/../cas/abc", "s3://bucket/renders/jobs/%2e%2e/cas/x", "s3://bucket-2/renders/jobs/x",
        "s3://bucket/renders/jobs/%252e%252e/cas/x", "s3://bucket/renders/jobs/x?versionId=1", "S3://bucket/renders/jobs/x",
        "https://jobs.example/ab/job.json", "https://jobs.example/a", "https://jobs.example.evil.example/a/job.json",
        "https://jobs.example@evil.example/a/job.json", "https://user@jobs.example/a/job.json", "http://jobs.example/a/x",
        "https://jobs.example:8443/a/job.json", "https://jobs.example/a/..%2fb/job.json", "https://jobs.example/a//x",
        "https://jobs.example/a/..\\b", "https://jobs.example/a/x y", "https://jobs.example/a/x\n", "https://jobs.example/a/\u0130",
        "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/", "http://[",
        "http://10.0.0.1/", "http://localhost/", "http://127.0.0.1:8001/specs/job.json", "http://127.1:8000/specs/job.json",
        "file:///etc/passwd", "file:///srv/jobs/../../etc/passwd", "file://host/srv/jobs/x", "ftp://jobs.example/a/x",
        "gopher://x", "https://jobs.example/a/x#fragment", "https://jobs.example/a/" + "x" * 9000,
    ],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(AdapterError, match="is refused: ") as caught:
        PREFIXES.check(url)
    assert caught.value.hint.startswith("Where a worker may read from is its own configuration")
    assert len(str(caught.value)) < 1000


def test_a_refusal_names_what_is_allowed_and_hides_signatures() -> None:
    with pytest.raises(AdapterError) as caught:
        JobPrefixes("s3://b").check("https://b.s3.amazonaws.com/x?X-Amz-Signature=secret")
    assert caught.value.message == (
        "the job URL 'https://b.s3.amazonaws.com/x' is refused: this worker reads jobs below s3://b/jobs/ only"
    )


@pytest.mark.parametrize(
    "prefix", ["", "/", "/srv", "https://", "https:///x", "file:///", "*", "s3://b/../x", "https://u@h/"]
)
def test_a_prefix_that_would_allow_anything_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="HELIOS_PIPE_JOB_PREFIXES has"):
        JobPrefixes("s3://b", [prefix])


def test_a_workers_own_variables_are_kept_back() -> None:
    environment = {
        "PATH": "/bin", "CHROME": "x", "AWS_SECRET_ACCESS_KEY": "k", "AWS_LAMBDA_RUNTIME_API": "a", "_HANDLER": "h",
        "_X_AMZN_TRACE_ID": "t", "GOOGLE_APPLICATION_CREDENTIALS": "g", "GCE_METADATA_HOST": "m", "HELIOS_PIPE_SIGNING_KEY": "s",
    }  # fmt: skip
    assert without_own(environment) == {"PATH": "/bin", "CHROME": "x"}
