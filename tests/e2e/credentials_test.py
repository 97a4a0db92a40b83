"""Tokens and authorities are rotated under a running server, as the kubelet does it."""

import time

from support import certificates
from support.kube import service
from support.processes import wait_until

ZONE = "default.svc.cluster.local"
HEAL_SECONDS = 60
# Longer than any pause in which the server may reasonably try again with a token that is refused.
REFUSED_SECONDS = 3


def cluster_ip(plane, name):
    return plane.get(f"/api/v1/namespaces/default/services/{name}")["spec"]["clusterIP"]


def appears(plane, server, name):
    plane.apply(service(name))
    server.eventually(f"{name}.{ZONE}", "A", [cluster_ip(plane, name)], HEAL_SECONDS)


def test_a_token_rotated_in_time_is_used_for_new_connections(control_plane, in_cluster):
    old = control_plane.token(bound_secret="rotated-early")
    server = in_cluster.start(token=old)
    appears(control_plane, server, "before-rotation")
    server.account.replace_token(control_plane.token())
    control_plane.revoke("rotated-early")
    wait_until(lambda: not control_plane.accepts(old), 30, "the old token is refused")
    # The watches that are open were accepted with the old token; the restart ends them.
    control_plane.restart()
    appears(control_plane, server, "after-rotation")


def test_a_token_rotated_late_heals_what_was_refused(control_plane, in_cluster):
    server = in_cluster.start()
    appears(control_plane, server, "before-key")
    address = cluster_ip(control_plane, "before-key")
    control_plane.rotate_signing_key()
    assert not control_plane.accepts((server.account.path / "token").read_text())
    control_plane.apply(service("while-refused"))
    time.sleep(REFUSED_SECONDS)
    assert server.dig(f"before-key.{ZONE}").data() == [address]
    assert server.dig(f"while-refused.{ZONE}").rcode == "NXDOMAIN"
    server.account.replace_token(control_plane.token())
    server.eventually(f"while-refused.{ZONE}", "A", [cluster_ip(control_plane, "while-refused")], HEAL_SECONDS)
    assert server.dig(f"before-key.{ZONE}").data() == [address]


def test_an_api_server_of_another_authority_is_not_trusted(control_plane, in_cluster, tmp_path):
    account = in_cluster.account()
    account.replace_authority(certificates.Authority(tmp_path / "other", "somebody else").certificate)
    server = in_cluster.start(account=account, options="startup_timeout 1s", wait_ready=False)
    time.sleep(REFUSED_SECONDS)
    assert server.status("ready", "/ready") == 503
    assert server.dig(f"kubernetes.{ZONE}").rcode == "SERVFAIL"
    account.replace_authority(control_plane.authority.certificate)
    server.wait_ready(HEAL_SECONDS)
    assert server.dig(f"kubernetes.{ZONE}").data() == [cluster_ip(control_plane, "kubernetes")]
