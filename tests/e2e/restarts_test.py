"""The API server is killed and restored over and over, under questions and changes."""

import signal

from support.fairlead import Repeater
from support.kube import endpoint_slice, path_of, service
from support.load import QueryLoad
from support.processes import wait_until

ZONE = "default.svc.cluster.local"
KILLS = 20
QUERIES_PER_SECOND = 200
HEAL_SECONDS = 60


class Counter(Repeater):
    """Asks again and again for a Service whose one address counts upwards, and remembers each answer that goes back."""

    def __init__(self, server, name):
        super().__init__(pause=0.005)
        self._server = server
        self._name = name
        self.last = 0
        self.wrong = []

    def repeat(self):
        answer = self._server.ask(self._name)
        numbers = [number_of(address) for address in answer.data("A")]
        if answer.rcode != "NOERROR" or len(numbers) != 1 or numbers[0] < self.last:
            self.wrong.append(f"after {self.last}: {answer}")
        else:
            self.last = numbers[0]


def address_of(number):
    return f"10.2.5.{number}"


def number_of(address):
    return int(address.rpartition(".")[2])


def test_twenty_kills_under_load_and_changes_give_no_wrong_answer(control_plane, in_cluster):
    steady = [service("steady", ipFamilyPolicy="RequireDualStack"), service("steady-headless", clusterIP="None")]
    counting = endpoint_slice("counter-1", "counter", endpoints=[address_of(0)])
    control_plane.create(
        *steady, service("counter", clusterIP="None"), counting,
        endpoint_slice("steady-1", "steady-headless", endpoints=["10.2.6.1", "10.2.6.2"]))
    v4, v6 = control_plane.get(path_of(steady[0]))["spec"]["clusterIPs"]
    expected = {
        (f"steady.{ZONE}", "A"): [v4],
        (f"steady.{ZONE}", "AAAA"): [v6],
        (f"_http._tcp.steady.{ZONE}", "SRV"): [f"0 50 80 steady.{ZONE}."],
        (f"steady-headless.{ZONE}", "A"): ["10.2.6.1", "10.2.6.2"],
    }
    server = in_cluster.start()
    number = 0

    def change():
        """The counter rises, one Service comes, one that has been there for a while goes."""
        nonlocal number
        number += 1
        control_plane.patch(counting, {"endpoints": [{"addresses": [address_of(number)]}]})
        control_plane.create(service(f"comes-{number}"))
        if number > 3:
            control_plane.remove(service(f"comes-{number - 3}"))

    with QueryLoad(server.port, expected, QUERIES_PER_SECOND) as load, Counter(server, f"counter.{ZONE}") as counter:
        for _ in range(KILLS):
            change()
            control_plane.restart(signal.SIGKILL)
            change()
        wait_until(lambda: counter.last == number, HEAL_SECONDS, lambda: f"the counter is {number}, not {counter.last}")
    assert counter.wrong == []
    assert load.wrong == []
    assert load.lost == 0
    # In step with all that is there, and with nothing that is not.
    items = control_plane.get("/api/v1/namespaces/default/services")["items"]
    there = {item["metadata"]["name"]: item["spec"]["clusterIPs"][0] for item in items}
    for name in (f"comes-{n}" for n in range(1, number + 1)):
        server.eventually(f"{name}.{ZONE}", "A", [there[name]] if name in there else "NXDOMAIN", HEAL_SECONDS)
