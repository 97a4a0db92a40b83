"""Whole Corefiles as their users write them load without a word, and answer what stands in them."""

import re

import pytest

from support import corefile_sample
from support.corefile_sample import SAMPLES
from support.fairlead import program
from support.processes import run


@pytest.fixture(scope="module")
def upstreams():
    with corefile_sample.world() as world, corefile_sample.company() as company:
        yield world, company


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_check_has_nothing_to_say(sample):
    checked = run([program("fairlead"), "-check", "-conf", sample.path], check=False,
                  environment=corefile_sample.ENVIRONMENT)
    assert checked.returncode == 0, checked.stdout
    # Else it prints each block with its directives.
    said = re.findall(r"^\S+\.Corefile:\d+: (?!\w+://)(.*)$", checked.stdout, re.MULTILINE)
    assert checked.stderr == "" and len(said) == len(sample.warnings), checked.stderr + checked.stdout
    assert all(warning in line for warning, line in zip(sample.warnings, said))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_it_answers_what_it_says(scenario, upstreams, sample):
    cluster = scenario.cluster(*corefile_sample.CLUSTER)
    corefile, ports = sample.adapt(cluster, *upstreams)
    server = scenario.server(start=False, corefile=corefile, environment=corefile_sample.ENVIRONMENT)
    server.start()
    assert len(sample.questions) >= 3
    found = {}
    for question in sample.questions:
        port = ports[question.port]
        found[question.name, question.type, question.port] = (
            question.ask(server.port if port == "{port}" else port), question.ours)
    different = {asked: answers for asked, answers in found.items() if answers[0] != answers[1]}
    assert not different, f"{different}\n{corefile}"
