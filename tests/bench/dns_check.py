"""A DNS client for one purpose: to see that a server gives the answers that are about to be measured."""

import random
import socket
import struct

TYPES = {"A": 1, "SRV": 33, "AAAA": 28}


def ask(port, query, timeout=1.0):
    """(rcode, number of answer records), or None without a reply."""
    identity = random.randrange(65536)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in query.name.rstrip(".").split("."))
    message = struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, TYPES[query.type], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(("127.0.0.1", port))
            client.send(message)
            reply = client.recv(65535)
        except OSError:
            return None
    if len(reply) < 12 or struct.unpack("!H", reply[:2])[0] != identity:
        return None
    flags, _, answers = struct.unpack("!3H", reply[2:8])
    return flags & 15, answers


def wrong_answers(port, queries):
    """Sentences about the queries whose answer is not the expected one."""
    faults = []
    for query in queries:
        got = ask(port, query)
        if got != (query.rcode, query.answers):
            faults.append(f"{query.name} {query.type}: expected rcode {query.rcode} and {query.answers} answers, "
                          f"got {'nothing' if got is None else f'rcode {got[0]} and {got[1]}'}")
    return faults
