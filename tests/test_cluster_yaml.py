"""cluster.yaml is accepted by the Ray that is installed, and its comments tell the truth."""

import copy
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli
from typer.testing import CliRunner

from sweeper.cli.app import app

PATH = Path(__file__).parents[1] / "cluster.yaml"


@pytest.fixture
def config():
    return yaml.safe_load(PATH.read_text())


def accept(config):
    """Do what `ray up` does with a file before it talks to the cloud; gives what it understood."""
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def test_ray_accepts_it(config):
    understood = accept(config)
    assert understood["available_node_types"].keys() == config["available_node_types"].keys()
    assert understood["head_node_type"] in understood["available_node_types"]
    assert understood["max_workers"] == config["max_workers"]


def misspelt(config):
    config["idle_timeout_minute"] = config.pop("idle_timeout_minutes")


def wrong_type(config):
    config["available_node_types"]["gpu-worker"]["max_workers"] = "four"


def no_resources(config):
    del config["available_node_types"]["gpu-worker"]["resources"]


def unknown_head(config):
    config["head_node_type"] = "hed"


def too_many(config):
    config["available_node_types"]["gpu-worker"]["min_workers"] = config["max_workers"] + 1


@pytest.mark.parametrize("damage", [misspelt, wrong_type, no_resources, unknown_head, too_many])
def test_a_broken_copy_is_refused(config, damage):
    damage(config)
    with pytest.raises((jsonschema.ValidationError, ValueError)):
        accept(config)


def test_the_head_trains_nothing_and_workers_come_and_go(config):
    types = config["available_node_types"]
    assert types["head"]["resources"]["CPU"] == 0
    assert types["gpu-worker"]["min_workers"] == 0
    assert types["gpu-worker"]["max_workers"] == config["max_workers"]
    assert config["idle_timeout_minutes"] > 0


def test_all_nodes_have_one_ray_and_python_and_ask_for_the_token(config):
    images = {config["docker"][f"{role}_image"] for role in ("head", "worker")}
    assert len({image.rpartition("-")[0] for image in images}) == 1
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert "/home/ray/.ray/auth_token" in config["file_mounts"]


def test_the_commands_come_first_and_what_to_change_is_marked():
    head, _, body = PATH.read_text().partition("\ncluster_name:")
    assert re.findall(r"^#     (ray (?:up|exec|down)) cluster\.yaml", head, re.MULTILINE) == [
        "ray up",
        "ray exec",
        "ray down",
    ]
    for key in ("max_workers", "region", "availability_zone", "ssh_user", "InstanceType"):
        assert re.search(rf"{key}: .*# CHANGE: ", body)


def test_the_command_it_gives_is_one(tmp_path):
    """All of it but for the cluster: an unknown backend is refused after its options were read."""
    (command,) = re.findall(r"--tmux '(sweeper run .*)'", PATH.read_text())
    _, *arguments = shlex.split(command)
    assert arguments[arguments.index("--address") + 1] == "auto"
    arguments[arguments.index("--dataset") + 1] = "digits"
    arguments[arguments.index("--study") + 1] = str(tmp_path / "study")
    ran = CliRunner().invoke(app, [*arguments, "--backend", "none"])
    assert ran.exit_code == 2
    assert "error: unknown backend 'none'" in ran.stderr


def test_studies_and_data_lie_where_all_nodes_see_them(config):
    (volume,) = [option for option in config["docker"]["run_options"] if "--volume" in option]
    shared = volume.rpartition(":")[2]
    (data,) = [option for option in config["docker"]["run_options"] if "SWEEPER_DATA" in option]
    assert data.rpartition("=")[2].startswith(shared + "/")
    assert f"--study {shared}/" in PATH.read_text()
    assert any(f"mkdir -p {shared}" in line for line in config["initialization_commands"])


def test_the_package_is_installed_on_every_node(config):
    (target,) = [there for there, here in config["file_mounts"].items() if here == "."]
    assert any("pip install" in line and target in line for line in config["setup_commands"])
    assert "worker_setup_commands" not in config


def test_ray_itself_is_started_as_its_command_line_wants(config):
    """Each `ray` command's options are ones that the installed Ray knows."""
    for line in [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]:
        _, name, *options = shlex.split(line)
        command = ray_cli.commands[name]
        known = {spelling for option in command.params for spelling in option.opts}
        assert {option.partition("=")[0] for option in options} <= known
