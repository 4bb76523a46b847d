"""What the kustomizations render to is what Kubernetes takes, fits together, and agrees with compose.yaml.

No cluster has a part in this."""

import json
import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import kubernetes_validate
import pytest

from tests.conftest import ROOT
from tests.loadtests.locust_python import locust_python

from .page import kubectl_commands, overlay
from .rendering import KUSTOMIZATIONS, Manifest, Rendered, compose_services, rendered, values_of

pytestmark = pytest.mark.usefixtures("kubectl")

OLDEST = "1.25"
"""Of Kubernetes, that the schemas are looked at of, besides the newest."""
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_syncookies",
}
"""Those that every cluster since Kubernetes 1.25 lets a pod set."""
FROM_THE_IMAGE = {"NGINX_LOCAL_RESOLVERS"}
"""Set by the nginx image's entrypoint, if NGINX_ENTRYPOINT_LOCAL_RESOLVERS is."""
OF_THE_CLUSTER = {
    "NAMESPACE",
    "NGINX_ENTRYPOINT_LOCAL_RESOLVERS",
    "DEPLOYMENT",
    "RESOLVER_DIRECTIVE",
    "UPSTREAM_SERVERS",
}
"""nginx's variables that are not those of the compose file."""

PARSE = """
import json, sys
from locust.argument_parser import get_parser
from loadtests.load.locust_options import add_options, parsed_load_options

parser = get_parser(default_config_files=[])
add_options(parser)
options = parser.parse_args(sys.argv[1:])
parsed_load_options(options)
variables = [action.env_var for action in parser._actions if getattr(action, "env_var", None)]
print(json.dumps({"options": vars(options), "variables": variables}, default=str))
"""


@pytest.fixture(params=KUSTOMIZATIONS)
def objects(request: pytest.FixtureRequest) -> Rendered:
    return rendered(request.param)


@pytest.fixture
def base() -> Rendered:
    return rendered("base")


@pytest.fixture(scope="module")
def services() -> dict[str, Manifest]:
    return compose_services()


def is_published(objects: Rendered) -> None:
    for version in (OLDEST, kubernetes_validate.latest_version()):
        for each in objects.objects:
            kubernetes_validate.validate(each, version, strict=True)


def test_every_object_is_as_the_published_schemas_say(objects: Rendered) -> None:
    assert {"Namespace", "ConfigMap", "Service", "Deployment", "Job", "NetworkPolicy"} == {
        each["kind"] for each in objects.objects
    }
    is_published(objects)


def test_a_field_that_kubernetes_does_not_know_is_refused(base: Rendered) -> None:
    (deployment, *_) = base.kind("Deployment").values()
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFilesystem"):
        is_published(base)


def test_everything_is_in_one_namespace(objects: Rendered) -> None:
    (namespace,) = objects.kind("Namespace")
    assert {each["metadata"]["namespace"] for each in objects.objects if each["kind"] != "Namespace"} == {
        namespace
    }


def test_every_selector_finds_the_pods_of_its_name(objects: Rendered) -> None:
    for kind in ("Service", "NetworkPolicy", "Deployment"):
        for name, each in objects.kind(kind).items():
            selector = each["spec"].get("podSelector") or each["spec"]["selector"]
            labels = selector.get("matchLabels", selector)
            assert [pod.name for pod in objects.selected(labels)] == [name], kind
    for name, pod in objects.pods.items():
        for spread in pod.spec.get("topologySpreadConstraints", []):
            assert objects.selected(spread["labelSelector"]["matchLabels"]) == [pod]
        for rule in values_of(pod.spec.get("affinity"), "matchLabels"):
            assert objects.selected(rule), name


def test_ports_of_services_probes_and_policies_are_those_of_the_pods(objects: Rendered) -> None:
    for name, service in objects.kind("Service").items():
        ports = objects.pods[name].ports
        assert {each["port"]: ports[each["targetPort"]] for each in service["spec"]["ports"]} == {
            port: port for port in ports.values()
        }
    for name, policy in objects.kind("NetworkPolicy").items():
        let_in = {port["port"] for ports in values_of(policy["spec"], "ports") for port in ports}
        assert let_in == objects.pods[name].ports.keys()
    for pod in objects.pods.values():
        assert {probe["port"] for probe in values_of(pod.spec, "httpGet")} <= pod.ports.keys()


def test_a_port_is_open_to_those_who_need_it_and_to_nobody_else(objects: Rendered) -> None:
    callers = {
        "env": {"nginx"},
        "nginx": {"locust-master", "locust-worker"},
        "locust-master": {"locust-worker"},
        "locust-worker": set[str](),
    }
    assert callers.keys() == objects.pods.keys()
    for name, policy in objects.kind("NetworkPolicy").items():
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        peers = [peer["podSelector"] for rule in policy["spec"].get("ingress", []) for peer in rule["from"]]
        named = {key for peer in peers for key in peer.get("matchLabels", {}).values()}
        for peer in peers:
            for rule in peer.get("matchExpressions", []):
                assert rule["operator"] == "In"
                named |= {*rule["values"]}
        assert named == callers[name]


def test_nothing_is_open_outside_the_cluster(objects: Rendered) -> None:
    assert all(
        each["spec"].get("type", "ClusterIP") == "ClusterIP" for each in objects.kind("Service").values()
    )
    for key in ("hostPort", "hostNetwork", "hostPath", "externalIPs", "nodePort"):
        assert not [*values_of(objects.objects, key)]


@pytest.mark.parametrize("name", ["env", "nginx", "locust-master", "locust-worker"])
def test_every_container_is_confined(objects: Rendered, name: str) -> None:
    spec = objects.pods[name].spec
    confined = spec["securityContext"]
    assert (confined["runAsNonRoot"], confined["runAsUser"], confined["runAsGroup"]) == (True, 10001, 10001)
    assert confined["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {each["name"] for each in confined.get("sysctls", [])} <= SAFE_SYSCTLS
    assert spec["automountServiceAccountToken"] is False
    # Variables of its Services would be among Locust's and nginx's own.
    assert spec["enableServiceLinks"] is False
    for container in objects.pods[name].every_container:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        # A limit of CPU time would show as latency.
        assert container["resources"]["limits"].keys() == {"memory"}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        # With :latest it would be pulled always, and those that were loaded into the nodes not used.
        assert container["imagePullPolicy"] == "IfNotPresent"


def test_every_mount_is_of_a_volume_and_every_configuration_is_there(objects: Rendered) -> None:
    for pod in objects.pods.values():
        volumes = {each["name"] for each in pod.spec.get("volumes", [])}
        mounted = {mount["name"] for each in pod.every_container for mount in each.get("volumeMounts", [])}
        assert mounted == volumes
        for key in ("configMap", "configMapRef"):
            assert {each["name"] for each in values_of(pod.spec, key)} <= objects.kind("ConfigMap").keys()


def test_images_memory_and_settings_are_those_of_the_compose_file(
    base: Rendered, services: dict[str, Manifest]
) -> None:
    for name, pod in base.pods.items():
        service, container = services[name], pod.containers[0]
        assert container["image"] == service["image"]
        assert {each["image"] for each in pod.every_container} == {service["image"]}
        limit = service["deploy"]["resources"]["limits"]["memory"]
        assert container["resources"]["limits"]["memory"] == limit.replace("g", "Gi")
        assert pod.spec["terminationGracePeriodSeconds"] == int(service["stop_grace_period"].rstrip("s"))
        (scratch,) = [volume["emptyDir"] for volume in pod.spec["volumes"] if volume["name"] == "tmp"]
        size = scratch["sizeLimit"].replace("Mi", "m")
        assert service["tmpfs"] == [f"/tmp:size={size},mode=1777"]
        given = {
            key: str(value) for key, value in (service.get("environment") or {}).items() if value is not None
        }
        own = base.variables(container, "here")
        assert {key: own.get(key) for key in given.keys() - OF_THE_CLUSTER} == {
            key: value for key, value in given.items() if key not in OF_THE_CLUSTER
        }
    assert base.workloads["env"]["spec"]["replicas"] == int(services["env"]["deploy"]["replicas"])


def test_commands_are_those_of_the_compose_file(objects: Rendered, services: dict[str, Manifest]) -> None:
    for name, pod in objects.pods.items():
        arguments = [each for each in pod.containers[0].get("args", []) if each != "--headless"]
        assert arguments == services[name].get("command", [])
    check = services["locust-worker"]["healthcheck"]["test"]
    worker = objects.pods["locust-worker"].containers[0]
    assert ["CMD", *worker["readinessProbe"]["exec"]["command"]] == check


def test_overload_takes_no_replica_out(objects: Rendered) -> None:
    assert not [*values_of(objects.objects, "livenessProbe")]
    for name in ("env", "nginx"):
        (container,) = objects.pods[name].containers
        assert "startupProbe" in container
        assert "readinessProbe" not in container


def test_nginx_has_a_value_for_every_name_in_its_templates(
    objects: Rendered, services: dict[str, Manifest]
) -> None:
    (container,) = objects.pods["nginx"].containers
    given = objects.variables(container, "here")
    templates = objects.config("nginx-templates")
    assert templates.keys() == {"nginx.conf.template", "resolver.conf.template"}
    assert templates["nginx.conf.template"] == (ROOT / "compose" / "nginx.conf.template").read_text()
    named = {*re.findall(r"\$\{(\w+)\}", "".join(templates.values()))}
    assert named <= given.keys() | FROM_THE_IMAGE
    assert given.keys() <= named | OF_THE_CLUSTER | {"NGINX_ENVSUBST_OUTPUT_DIR"}
    assert services["nginx"]["environment"].keys() <= given.keys()


def test_nginx_balances_over_the_pods_and_not_over_an_address_of_their_service(objects: Rendered) -> None:
    (container,) = objects.pods["nginx"].containers
    given = objects.variables(container, "here")
    found = re.search(r"server (\w+)\.here\.svc\.cluster\.local:(\d+) resolve", given["UPSTREAM_SERVERS"])
    assert found
    service = objects.kind("Service")[found[1]]["spec"]
    assert service["clusterIP"] == "None"
    assert int(found[2]) in objects.pods["env"].ports.values()


def parsed(objects: Rendered, name: str) -> Manifest:
    """Locust's options in a pod, as our locustfile reads and checks them."""
    container = objects.pods[name].containers[0]
    variables = objects.variables(container, "here")
    environ = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "HOME") if key in os.environ}
    done = locust_python("-c", PARSE, *container["args"], environ=environ | variables)
    assert done.returncode == 0, done.stderr
    found: Manifest = json.loads(done.stdout)
    unknown = {each for each in variables if each.startswith(("LOCUST", "LOADTEST"))} - {*found["variables"]}
    assert not unknown
    options: Manifest = found["options"]
    return options


@pytest.mark.servers
def test_the_master_starts_a_run_when_all_workers_and_replicas_are_there(objects: Rendered) -> None:
    options = parsed(objects, "locust-master")
    assert (options["master"], options["headless"], options["worker"]) == (True, True, False)
    assert options["num_users"] >= options["expect_workers"]
    assert options["run_time"]
    assert options["expect_workers"] == objects.workloads["locust-worker"]["spec"]["replicas"]
    replicas = objects.workloads["env"]["spec"]["replicas"]
    assert objects.config("loadtest")["EXPECT_REPLICAS"] == str(replicas)
    (nginx,) = objects.kind("Service")["nginx"]["spec"]["ports"]
    assert options["host"] == f"http://nginx:{nginx['port']}"
    (results,) = [each for each in objects.pods["locust-master"].containers if each["name"] == "results"]
    assert options["results"] in {each["mountPath"] for each in results["volumeMounts"]}


@pytest.mark.servers
def test_workers_find_their_master(objects: Rendered) -> None:
    options = parsed(objects, "locust-worker")
    assert options["worker"]
    (port,) = objects.kind("Service")[options["master_host"]]["spec"]["ports"]
    assert options["master_port"] == port["port"]


def test_the_overlay_of_the_page_is_one(tmp_path: Path) -> None:
    # kustomize takes relative paths only; a reader's own stands beside the base.
    base = os.path.relpath(ROOT / "kubernetes" / "base", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(overlay().replace("../base", base))
    objects = Rendered(tmp_path)
    is_published(objects)
    images = {each["image"] for pod in objects.pods.values() for each in pod.every_container}
    assert {image.partition("/")[0] for image in images} == {"registry.example"}
    options = parsed(objects, "locust-master")
    assert options["expect_workers"] == objects.workloads["locust-worker"]["spec"]["replicas"] == 3
    replicas = objects.workloads["env"]["spec"]["replicas"]
    assert objects.config("loadtest")["EXPECT_REPLICAS"] == str(replicas) == "4"


def test_kubectl_knows_every_option_of_the_page() -> None:
    for command in kubectl_commands():
        words = [command[0], "--server=http://127.0.0.1:1", "--kubeconfig=/dev/null", *command[1:]]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert "refused" in done.stderr, done.stderr


def test_commands_of_the_page_name_what_is_there(base: Rendered) -> None:
    jobs = base.pods["locust-master"]
    for words in kubectl_commands():
        given = dict(pairwise(words))
        if "-k" in given:
            assert (ROOT / given["-k"] / "kustomization.yaml").exists()
            continue
        assert given["-n"] in base.kind("Namespace")
        named = {
            (match[1], match[2]) for match in re.finditer(r"\b(job|deployment)[/ ]([\w-]+)", " ".join(words))
        }
        assert named or "-l" in given
        for kind, name in named:
            assert name in base.kind(kind.capitalize())
        if "-l" in given:
            assert base.selected(dict([given["-l"].split("=")])) == [jobs]
        if "--container" in given:
            assert jobs.container(given["--container"])
