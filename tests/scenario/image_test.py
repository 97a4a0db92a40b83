"""The container image's root, laid out by deploy/image-root, runs the server as a restricted Pod would."""

import os
import subprocess

import pytest

from support import container, fairlead
from support.processes import run, tool, wait_until

COREFILE = """\
.:53 {
    errors
    health
    ready
    prometheus :9153
    reload
}
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    reason = fairlead.missing("fairlead")
    if reason:
        pytest.skip(reason)
    if os.getuid() != 0:
        pytest.skip("needs root for chroot and file capabilities")
    root = tmp_path_factory.mktemp("image")
    # pytest keeps its folders to their owner; the server runs as another user.
    root.chmod(0o755)
    run([fairlead.REPOSITORY / "deploy" / "image-root", fairlead.program("fairlead").parent, root])
    (root / "etc" / "coredns" / "Corefile").write_text(COREFILE)
    return root


@pytest.mark.parametrize("program", ["/fairlead", "/coredns"])
def test_the_image_serves_port_53_without_root(image, tmp_path, program):
    server = container.start(image, [program, "-conf", "/etc/coredns/Corefile"], tmp_path)

    def answer():
        assert server.is_running(), server.tail()
        arguments = container.inside(server, tool("dig"), "@127.0.0.1", "image.test", "+tries=1", "+time=1")
        # No directive of the block answers for a name, and a reply that says so has come from port 53.
        return "status: REFUSED" in subprocess.run(arguments, capture_output=True, text=True).stdout

    try:
        wait_until(answer, 15, lambda: f"port 53 answers:\n{server.tail()}", interval=0.2)
        ready = run(container.inside(server, tool("curl"), "-sS", "-m", "5", "http://127.0.0.1:8181/ready"))
        assert ready.stdout == "OK"
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{server.pid}/status") if ":\t" in line)
        assert status["Uid"].split() == ["65532"] * 4
        assert status["CapEff"].strip() == f"{1 << container.CAP_NET_BIND_SERVICE:016x}"
        assert status["NoNewPrivs"].strip() == "1"
    finally:
        assert server.stop() == 0


def test_the_image_holds_nothing_but_the_program_and_its_libraries(image):
    files = [path for path in image.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name in ("sh", "bash", "dash", "busybox", "apt", "dpkg")]
    megabytes = sum(path.stat().st_size for path in files if not path.is_symlink()) / 1e6
    assert megabytes < 80, f"the image has {megabytes:.0f} MB"


def test_every_library_of_the_image_is_found_inside_of_it(image):
    for program in ("fairlead", "fairleadctl"):
        if (image / program).exists():
            loader = next(image.glob("lib64/ld-linux*"))
            done = run(["chroot", image, f"/lib64/{loader.name}", "--list", f"/{program}"])
            assert "not found" not in done.stdout
