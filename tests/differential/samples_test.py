"""CoreDNS reads the Corefiles of tests/corefiles too, and answers as they say."""

import pytest

from support import corefile_sample, coredns
from support.corefile_sample import SAMPLES
from support.fairlead import missing
from support.kubesim import KubeSim


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    for reason in (coredns.program() is None and "no CoreDNS; tools/dev setup builds it", missing("kubesim")):
        if reason:
            pytest.skip(reason)
    cluster = KubeSim(tmp_path_factory.mktemp("cluster"), corefile_sample.CLUSTER).start()
    try:
        with corefile_sample.world() as world, corefile_sample.company() as company:
            yield cluster, world, company
    finally:
        cluster.stop()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_coredns_answers_what_the_corefile_says(around, tmp_path, sample):
    corefile, ports = sample.adapt(*around)
    with coredns.CoreDns(tmp_path, corefile=corefile, environment=corefile_sample.ENVIRONMENT) as server:
        different = {}
        for question in sample.questions:
            port = ports[question.port]
            answer = question.ask(server.port if port == "{port}" else port)
            if answer != question.theirs:
                different[question.name, question.type, question.port] = answer, question.theirs
    assert not different, f"{different}\n{corefile}"
