"""Pushing to ECR, without an engine: repositories, what a registry shows, the script's words, and who finds what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from launcher.aws import images, registry
from launcher.aws.login import private_settings
from launcher.errors import AwsError, ConfigError, EngineError
from tests.account import ACCOUNT, account
from tests.launcher.fakes import sudo

SCRIPT = Path(__file__).parents[2] / "build_and_push.sh"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield boto3.Session(region_name="eu-west-1")


def test_a_repository_is_made_once_scans_on_push_and_lets_untagged_images_go(session: boto3.Session) -> None:
    ecr = session.client("ecr")
    assert registry.ensure_repository(ecr, "byoc-train")
    assert not registry.ensure_repository(ecr, "byoc-train")
    (made,) = ecr.describe_repositories()["repositories"]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    (rule,) = json.loads(ecr.get_lifecycle_policy(repositoryName="byoc-train")["lifecyclePolicyText"])["rules"]
    assert rule["selection"]["tagStatus"] == "untagged" and rule["action"] == {"type": "expire"}


def test_a_repository_of_someone_elses_keeps_its_rules(session: boto3.Session) -> None:
    ecr = session.client("ecr")
    ecr.create_repository(repositoryName="theirs")
    assert not registry.ensure_repository(ecr, "theirs")
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
        ecr.get_lifecycle_policy(repositoryName="theirs")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        ("cn-north-1", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com"),
    ],
)
def test_a_registry_is_named_as_its_part_of_the_world_does(region: str, host: str) -> None:
    assert registry.Registry.of(boto3.Session(region_name=region), "123456789012").host == host


def test_the_token_is_split_from_its_user(session: boto3.Session) -> None:
    assert registry.password(session.client("ecr")) == f"{ACCOUNT}-auth-token"


@pytest.fixture
def shown() -> Iterator[tuple[str, dict[str, str]]]:
    """A registry that shows a manifest of the type that a test says."""
    answer = {"type": registry.PLAIN_MANIFEST, "body": "{}", "repository": "bees"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer["authorization"] = self.headers["Authorization"]
            self.send_response(200 if self.path.startswith(f"/v2/{answer['repository']}/manifests/") else 404)
            self.send_header("Content-Type", answer["type"])
            self.end_headers()
            self.wfile.write(answer["body"].encode())

        def log_message(self, *_words: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}", answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_was_pushed_is_named_by_the_digest_of_its_manifest(shown: tuple[str, dict[str, str]]) -> None:
    address, answer = shown
    digest = registry.pushed_digest(address, "bees", "latest", "word")
    assert digest == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert answer["authorization"] == "Basic QVdTOndvcmQ="


@pytest.mark.parametrize("kind", ["manifest.v1", "index.v1"])
def test_a_manifest_that_sagemaker_refuses_is_refused_at_once(shown: tuple[str, dict[str, str]], kind: str) -> None:
    address, answer = shown
    answer["type"] = f"application/vnd.oci.image.{kind}+json"
    with pytest.raises(AwsError, match=r"which SageMaker refuses; build it with --provenance=false"):
        registry.pushed_digest(address, "bees", "latest", "word")


def test_what_a_registry_does_not_show_is_said(shown: tuple[str, dict[str, str]]) -> None:
    with pytest.raises(AwsError, match=r"wasps:latest was pushed to .* which now does not show it .*404"):
        registry.pushed_digest(shown[0], "wasps", "latest", "word")


def test_the_settings_that_hold_a_login_know_no_other(tmp_path: Path) -> None:
    usual, folder = tmp_path / "usual", tmp_path / "own"
    (usual / "contexts").mkdir(parents=True)
    folder.mkdir()
    document = {"currentContext": "colima", "credsStore": "desktop", "credHelpers": {"x": "y"}, "auths": {"old": {}}}
    (usual / "config.json").write_text(json.dumps(document))
    private_settings(usual, folder, "new:5000")
    kept = json.loads((folder / "config.json").read_text())
    assert kept == {"currentContext": "colima", "auths": {"new:5000": {}}}
    assert (folder / "config.json").stat().st_mode & 0o077 == 0
    assert (folder / "contexts").resolve() == (usual / "contexts").resolve()


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EngineError, match="is no JSON"):
        private_settings(tmp_path, tmp_path, "x")


def test_the_newest_image_is_found_by_region_account_and_kind(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for owner, uri in (("1", "old@sha256:1"), ("1", "new@sha256:2"), ("2", "other@sha256:3")):
        images.record(state, region="eu-west-1", account=owner, kind="train", uri=uri)
    assert images.find_image(state, region="eu-west-1", account="1", kind="train") == "new@sha256:2"
    assert images.find_image(state, region="eu-west-1", account="2", kind="train") == "other@sha256:3"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"kind": "serve-gpu"}, "no serve-gpu image of account 1 .* `./build_and_push.sh .*--only serve --gpu`"),
        ({"region": "us-east-1"}, "no train image of account 1 has been pushed to us-east-1"),
        ({"account": "2"}, "no train image of account 2"),
        ({"region": None}, "without a region none can be found; add --region"),
    ],
)
def test_an_image_that_was_not_pushed_is_named_with_its_command(
    tmp_path: Path, where: dict[str, str | None], said: str
) -> None:
    images.record(tmp_path, region="eu-west-1", account="1", kind="train", uri="x@sha256:1")
    with pytest.raises(ConfigError, match=said):
        images.find_image(tmp_path, **{"region": "eu-west-1", "account": "1", "kind": "train", **where})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "instance_type", "kind"),
    [
        ("serve", "ml.g5.xlarge", "serve-gpu"), ("serve", "ml.p4d.24xlarge", "serve-gpu"),
        ("serve", "ml.m5.large", "serve"), ("train", "ml.g5.xlarge", "train"),
    ],
)  # fmt: skip
def test_a_gpu_serves_with_its_own_image(role: str, instance_type: str, kind: str) -> None:
    assert images.kind_for(role, instance_type) == kind


def script(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BYOC_"))}
    return subprocess.run(
        [SCRIPT, *words], env={**usual, "PYTHON": sys.executable, **variables}, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "both"], "--only is 'both'; it takes train or serve."),
        (["--regoin", "x"], "'--regoin' is no option; --help lists them."),
        (["--region"], "--region needs a value; --help shows which."),
        (["--repository-prefix=My Bees"], "--repository-prefix is 'My Bees'; ECR takes small letters"),
        (["--only", "serve", "--pretrained", "vgg16"], "--pretrained is for the training image"),
        (["--only", "train", "--gpu"], "--gpu is for the serving image"),
        (["--ca", "/none.pem"], "The file /none.pem is missing or empty"),
    ],
)
def test_words_that_make_no_sense_end_the_script_in_a_sentence(words: list[str], said: str) -> None:
    done = script(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"Error: {said}") and done.stderr.count("\n") == 1


def test_without_an_account_nothing_is_built(tmp_path: Path) -> None:
    nobody = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "BYOC_DOCKER": "/bin/false"}
    done = script("--region", "eu-west-1", **nobody)
    assert done.returncode == 8
    assert done.stderr == "Error: No AWS credentials are found; run `aws configure`, or set AWS_PROFILE.\n"


def test_a_dry_run_shows_every_command_and_changes_nothing(tmp_path: Path) -> None:
    with account() as variables:
        variables["BYOC_STATE"] = str(tmp_path / "state")
        variables["https_proxy"] = "http://user:secret@proxy.example:3128"
        done = script("--dry-run", "--region", "cn-north-1", "--pretrained", "vgg16", **variables)
        ecr = boto3.client(
            "ecr", region_name="cn-north-1", endpoint_url=variables["AWS_ENDPOINT_URL"], aws_access_key_id="x",
            aws_secret_access_key="y",
        )  # fmt: skip
        assert ecr.describe_repositories()["repositories"] == []
    assert done.returncode == 0, done.stderr
    host = f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn"
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("docker build")] == ["build", "build"]
    assert f"--tag {host}/byoc-train:latest" in lines[0] and "PRETRAINED=vgg16" in lines[0]
    assert f"--tag {host}/byoc-serve:latest" in lines[1] and "--platform linux/amd64" in lines[1]
    assert "--build-arg https_proxy " in lines[0] and "secret" not in done.stdout
    assert lines[2].endswith(f"login --username AWS --password-stdin {host}")
    assert lines[3:5] == [f"would create the ECR repository byoc-{role}" for role in ("train", "serve")]
    assert [line.rpartition(" push ")[2].partition(":")[0] for line in lines[5:]] == [
        f"{host}/byoc-{role}" for role in ("train", "train", "serve", "serve")
    ]
    assert not (tmp_path / "state").exists()


# Writes down what it is told, on its command line and its standard input; FAULT is the word at which it fails.
_CLIENT = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$0.log"
case "$*" in
    *--help*) echo "$OPTIONS" ;;
    *version*) echo 28.0 ;;
    *inspect*) echo linux/amd64 ;;
    build*) env >"$0.build" ;;
    *--password-stdin*) cat >>"$0.stdin" ;;
esac
case " $* " in *" $FAULT "*) echo "no $FAULT today" >&2 && exit 1 ;; esac
"""


@pytest.fixture
def pushing(tmp_path: Path, shown: tuple[str, dict[str, str]]) -> Iterator[dict[str, str]]:
    """The variables of an account, of a registry that has what is asked for, and of a client that does nothing."""
    address, answer = shown
    answer["repository"] = "byoc-serve"
    place = tmp_path / "docker"
    place.write_text(_CLIENT)
    place.chmod(0o755)
    with account() as variables:
        yield {**variables, "BYOC_DOCKER": str(place), "BYOC_REGISTRY": address, "BYOC_STATE": str(tmp_path / "state"),
               "DOCKER_CONFIG": str(tmp_path / "usual"), "FAULT": "none", "OPTIONS": ""}  # fmt: skip


def test_buildx_is_told_to_leave_no_index_and_no_command_line_holds_the_token(
    pushing: dict[str, str], tmp_path: Path
) -> None:
    pushing["OPTIONS"] = "--provenance string"
    done = script("--only", "serve", **pushing)
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "docker.log").read_text().splitlines()
    (build,) = [line for line in said if line.startswith("build --platform")]
    assert "--platform linux/amd64" in build and "--provenance=false --output type=docker" in build
    assert not [line for line in said if "auth-token" in line]
    assert (tmp_path / "docker.stdin").read_text() == f"{ACCOUNT}-auth-token\n"
    folder = next(line.split()[1] for line in said if line.startswith("--config"))
    assert not Path(folder).exists(), "the login outlives the script"
    assert images.recorded(tmp_path / "state", "eu-west-1")[ACCOUNT]["serve"].endswith(
        "@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


def test_a_client_behind_sudo_is_let_see_the_proxies(pushing: dict[str, str], tmp_path: Path) -> None:
    pushing |= {"https_proxy": "http://me:secret@proxy.example", "BYOC_DOCKER": f"{sudo(tmp_path)} {tmp_path}/docker"}
    done = script("--only", "serve", **pushing)
    assert done.returncode == 0, done.stderr
    (build,) = [line for line in (tmp_path / "docker.log").read_text().splitlines() if line.startswith("build --plat")]
    assert "--build-arg https_proxy " in build and "secret" not in build
    assert "https_proxy=http://me:secret@proxy.example" in (tmp_path / "docker.build").read_text().splitlines()


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("build", 4, "The serve image was not built; the lines above say why."),
        ("login", 8, "refused the login: no login today"),
        ("push", 8, "was not pushed; the lines above say why, and the same command goes on from there."),
    ],
)
def test_the_first_failure_ends_it_with_a_sentence(
    pushing: dict[str, str], tmp_path: Path, fault: str, status: int, said: str
) -> None:
    done = script("--only", "serve", **{**pushing, "FAULT": fault})
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.rstrip().endswith(said) and "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists()
    assert fault in (tmp_path / "docker.log").read_text().splitlines()[-1]
