"""The control plane that the other tests stand on is a real one: rights, tokens, history and streaming lists work."""

import http.client
import json
import ssl
import time

import pytest

from support.kube import endpoint_slice, service
from support.processes import wait_until


def watch(plane, path, token=None, seconds=3):
    """The events of a watch that ends after `seconds`."""
    status, body = plane.request("GET", f"{path}&watch=1&timeoutSeconds={seconds}", token=token, timeout=seconds + 10)
    assert status == 200, body
    return [json.loads(line) for line in body.splitlines()]


def test_versions_are_those_of_the_module(control_plane):
    version = control_plane.get("/version")
    assert version["gitVersion"].startswith("v1.")
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")
    assert f"Client Version: {version['gitVersion']}" in control_plane.kubectl("version")


def test_the_service_account_may_list_what_dns_needs_and_nothing_else(control_plane):
    token = control_plane.token()
    for path in ("/api/v1/services", "/api/v1/pods", "/api/v1/namespaces", "/apis/discovery.k8s.io/v1/endpointslices"):
        assert control_plane.request("GET", path, token=token)[0] == 200
    assert control_plane.request("GET", "/api/v1/secrets", token=token)[0] == 403
    assert control_plane.request("POST", "/api/v1/namespaces", {}, token=token)[0] == 403


def test_a_request_without_a_valid_token_is_refused(control_plane):
    assert control_plane.request("GET", "/api/v1/services", token="nonsense")[0] == 401


def test_the_api_server_is_known_by_its_authority_alone(control_plane):
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection("127.0.0.1", control_plane.port, context=context, timeout=5)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/readyz")


def test_services_get_addresses_of_both_families(control_plane):
    control_plane.apply(service("dual", ipFamilyPolicy="RequireDualStack"))
    spec = control_plane.get("/api/v1/namespaces/default/services/dual")["spec"]
    assert [":" in address for address in spec["clusterIPs"]] == [False, True]


def test_a_streaming_list_ends_with_a_bookmark(control_plane):
    control_plane.apply(endpoint_slice("stream-1", "stream", endpoints=["10.1.0.1"]))
    path = ("/apis/discovery.k8s.io/v1/endpointslices?sendInitialEvents=true&allowWatchBookmarks=true"
            "&resourceVersionMatch=NotOlderThan")
    events = watch(control_plane, path, token=control_plane.token())
    assert any(event["type"] == "ADDED" for event in events)
    annotations = [event["object"]["metadata"].get("annotations", {}) for event in events if event["type"] == "BOOKMARK"]
    assert any(annotation.get("k8s.io/initial-events-end") == "true" for annotation in annotations)


def test_a_token_dies_with_the_secret_that_it_is_bound_to(control_plane):
    token = control_plane.token(bound_secret="short-lived")
    assert control_plane.accepts(token)
    control_plane.revoke("short-lived")
    wait_until(lambda: not control_plane.accepts(token), 30, "the token is refused")


def test_history_before_a_compaction_and_a_restart_is_gone(control_plane):
    before = control_plane.resource_version()
    control_plane.apply(service("newer"))
    control_plane.compact()
    control_plane.restart()
    events = watch(control_plane, f"/api/v1/services?resourceVersion={before}")
    assert [(event["type"], event["object"]["code"]) for event in events] == [("ERROR", 410)]


def test_a_new_signing_key_makes_every_older_token_invalid(control_plane):
    token = control_plane.token()
    assert control_plane.accepts(token)
    begin = time.monotonic()
    control_plane.rotate_signing_key()
    print(f"restart took {time.monotonic() - begin:.1f} s")
    assert not control_plane.accepts(token)
    assert control_plane.accepts(control_plane.token())
