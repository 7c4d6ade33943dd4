"""The names that users import: all there, none of them loading a cloud's package."""

import json
import subprocess
import sys

import helios_pipe


def test_every_public_name_is_where_the_table_says() -> None:
    for name in helios_pipe.__all__:
        assert getattr(helios_pipe, name) is not None


def test_taking_every_name_loads_no_cloud_package() -> None:
    script = (
        "import json, sys, helios_pipe\n"
        "[getattr(helios_pipe, name) for name in helios_pipe.__all__]\n"
        "print(json.dumps([m for m in ('boto3', 'botocore', 'google', 'requests', 'distributed') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == []
