"""Tokens and authorities are rotated under a running server, as the kubelet does it."""

import signal
import time

from support import certificates
from support.kube import service
from support.processes import wait_until

ZONE = "default.svc.cluster.local"
HEAL_SECONDS = 60
# Longer than any pause in which the server may reasonably try again with a token that is refused.
REFUSED_SECONDS = 3
# Enough for a start on a loaded machine.
TOKEN_SECONDS = 20


def cluster_ip(plane, name):
    return plane.get(f"/api/v1/namespaces/default/services/{name}")["spec"]["clusterIP"]


def appears(plane, server, name):
    plane.apply(service(name))
    server.eventually(f"{name}.{ZONE}", "A", [cluster_ip(plane, name)], HEAL_SECONDS)


def is_kept_while_refused(plane, server, known, address, new):
    """With a token that is refused, what is known is answered; what is new is made up for with the next token."""
    plane.apply(service(new))
    time.sleep(REFUSED_SECONDS)
    assert server.dig(f"{known}.{ZONE}").data() == [address]
    assert server.dig(f"{new}.{ZONE}").rcode == "NXDOMAIN"
    server.account.replace_token(plane.token())
    server.eventually(f"{new}.{ZONE}", "A", [cluster_ip(plane, new)], HEAL_SECONDS)


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
    is_kept_while_refused(control_plane, server, "before-key", address, "while-refused")
    assert server.dig(f"before-key.{ZONE}").data() == [address]


def test_an_expired_token_delays_changes_until_there_is_another(control_plane, in_cluster):
    token = control_plane.expiring_token(TOKEN_SECONDS)
    assert control_plane.accepts(token), "the premise of this test"
    server = in_cluster.start(token=token)
    appears(control_plane, server, "before-expiry")
    address = cluster_ip(control_plane, "before-expiry")
    wait_until(lambda: not control_plane.accepts(token), TOKEN_SECONDS + 30, "the token has expired")
    # The watches that are open were accepted with the old token; the restart ends them.
    control_plane.restart(signal.SIGKILL)
    is_kept_while_refused(control_plane, server, "before-expiry", address, "while-expired")


def test_the_authority_of_the_api_server_is_rotated_under_a_running_server(control_plane, in_cluster):
    server = in_cluster.start()
    appears(control_plane, server, "before-authority")
    address = cluster_ip(control_plane, "before-authority")
    # In order: the new authority is known before a certificate of it is used, the old one is dropped after.
    authority = control_plane.rotate_serving_authority()
    server.account.replace_authority(control_plane.trust)
    control_plane.restart(signal.SIGKILL)
    appears(control_plane, server, "of-two-authorities")
    server.account.replace_authority(authority.certificate)
    control_plane.restart(signal.SIGKILL)
    appears(control_plane, server, "of-the-new-authority")
    # Too early: nobody is trusted until the file follows.
    late = control_plane.rotate_serving_authority()
    control_plane.restart(signal.SIGKILL)
    control_plane.apply(service("while-untrusted"))
    time.sleep(REFUSED_SECONDS)
    assert server.dig(f"before-authority.{ZONE}").data() == [address]
    assert server.dig(f"while-untrusted.{ZONE}").rcode == "NXDOMAIN"
    server.account.replace_authority(late.certificate)
    server.eventually(f"while-untrusted.{ZONE}", "A", [cluster_ip(control_plane, "while-untrusted")], HEAL_SECONDS)


def test_an_api_server_of_another_authority_is_not_trusted(control_plane, in_cluster, tmp_path):
    account = in_cluster.account()
    account.replace_authority(certificates.Authority(tmp_path / "other", "somebody else").certificate)
    server = in_cluster.start(account=account, options="startup_timeout 1s", wait_ready=False)
    time.sleep(REFUSED_SECONDS)
    assert server.status("ready", "/ready") == 503
    assert server.dig(f"kubernetes.{ZONE}").rcode == "SERVFAIL"
    account.replace_authority(control_plane.trust)
    server.wait_ready(HEAL_SECONDS)
    assert server.dig(f"kubernetes.{ZONE}").data() == [cluster_ip(control_plane, "kubernetes")]
