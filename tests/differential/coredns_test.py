"""CoreDNS and Fairlead read the same Corefile, watch the same API server and answer the same questions."""

import re

import pytest

from accepted import ACCEPTED, Case, Names, explain
from accepted_transfers import ACCEPTED_TRANSFERS, explain_transfer
from asking import ask_all
from cluster import build, external_name
from corefiles import COREFILES
from corpus import SILENT_QUESTIONS, SILENT_SERVICE
from packets import PACKETS
from reply import reply
from report import Report
from support import coredns, fairlead, kube
from support.fairlead import REPOSITORY, build_folder
from support.processes import run
from transfers import TRANSFERS, records_of
from world import upstream

QUESTIONS_MIN = 5000
RECORDS_MIN = 25
SHOWN = 25
# Packets, and what CoreDNS leaves without a reply, are asked under one Corefile.
PACKETS_UNDER = "pods insecure"


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """A real API server with all objects."""
    for reason in (
        kube.assets() is None and "no kube-apiserver; tools/dev setup builds it",
        coredns.program() is None and "no CoreDNS; tools/dev setup builds it",
        fairlead.missing("fairlead"),
    ):
        if reason:
            pytest.skip(reason)
    control_plane = kube.ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        control_plane.start()
        build(control_plane)
        yield control_plane
    finally:
        control_plane.close()


@pytest.fixture(scope="module")
def outside():
    with upstream() as server:
        yield server


@pytest.fixture(scope="module")
def report():
    version = re.search(r"CoreDNS-(\S+)", run([coredns.program(), "-version"]).stdout).group(1)
    return Report(version)


@pytest.fixture(scope="module")
def replies(plane, outside, tmp_path_factory):
    """Both servers' replies to the questions of a Corefile."""
    values = {"kubeconfig": plane.kubeconfig, "upstream": outside.target}

    def ask(corefile, questions):
        found = []
        for kind in (coredns.CoreDns, fairlead.Fairlead):
            with kind(tmp_path_factory.mktemp(kind.name), corefile=corefile.text, values=values) as server:
                found.append([reply(answer) for answer in ask_all(server.port, questions, corefile.source)])
        return found

    return ask


@pytest.mark.parametrize("corefile", COREFILES, ids=lambda corefile: corefile.name)
def test_every_reply_is_equal_or_differs_as_it_is_meant_to(replies, report, corefile):
    questions = corefile.questions()
    if corefile.name == PACKETS_UNDER:
        questions += [*PACKETS, *SILENT_QUESTIONS]
    assert len(questions) >= QUESTIONS_MIN
    theirs, ours = replies(corefile, questions)
    names = Names.of(questions, theirs, corefile)
    results = []
    for question, their, our in zip(questions, theirs, ours, strict=True):
        results.append((question, their, our, explain(Case(question, corefile, our, names), their)))
    report.add(corefile, results)
    unexplained = [result for result in results if result[3] is None]
    shown = "\n".join(
        f"{question}\n  CoreDNS:  {_indented(their)}\n  Fairlead: {_indented(our)}"
        for question, their, our, _ in unexplained[:SHOWN]
    )
    assert not unexplained, f"{len(unexplained)} of {len(questions)} differ without a reason; some:\n{shown}"


def _indented(answer):
    return str(answer)[:1500].replace("\n", "\n            ")


@pytest.fixture(scope="module")
def zones(plane, outside, tmp_path_factory):
    """Both servers' records of a zone. Asked behind the questions: the Service for which CoreDNS sends no reply breaks
    its transfers as a whole, so it goes first."""
    plane.remove(external_name(SILENT_SERVICE, "example.org"))
    values = {"kubeconfig": plane.kubeconfig, "upstream": outside.target}

    def read(transfer):
        found = []
        for kind in (coredns.CoreDns, fairlead.Fairlead):
            folder = tmp_path_factory.mktemp(kind.name)
            with kind(folder, corefile=transfer.corefile.text, values=values) as server:
                found.append(records_of(server.port, transfer.zone))
        return found

    return read


@pytest.mark.parametrize("transfer", TRANSFERS, ids=lambda transfer: transfer.name)
def test_every_record_of_a_transfer_is_equal_or_differs_as_it_is_meant_to(zones, report, transfer):
    theirs, ours = zones(transfer)
    assert len(ours) >= RECORDS_MIN
    differences = explain_transfer(transfer, theirs, ours)
    report.add_transfer(transfer, theirs, ours, differences)
    assert differences is not None, "\n".join(
        [
            "differ without a reason; what CoreDNS alone or Fairlead alone sends, some of it meant:",
            *(f"CoreDNS:  {' '.join(map(str, record))}" for record in sorted({*theirs} - {*ours})[:SHOWN]),
            *(f"Fairlead: {' '.join(map(str, record))}" for record in sorted({*ours} - {*theirs})[:SHOWN]),
        ]
    )


def test_every_accepted_difference_occurs_and_stands_in_the_readme(report):
    """Runs last: what no Corefile has shown is no difference any more."""
    every = [*ACCEPTED, *ACCEPTED_TRANSFERS]
    (build_folder() / "differential.md").write_text(report.text(ACCEPTED, ACCEPTED_TRANSFERS))
    missing = [difference.name for difference in every if not report.occurred(difference)]
    assert not missing, "accepted, but never seen"
    section = (REPOSITORY / "README.md").read_text().split("## Differences from CoreDNS")[1].split("\n## ")[0]
    unlisted = [difference.readme for difference in every if f"\n| {difference.readme}" not in section]
    assert not unlisted, "not in the README's list"
