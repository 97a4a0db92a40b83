"""A client of DNS over TLS (RFC 7858), with whatever certificate and patience a test wants."""

import socket
import ssl
import struct

from support import dns


def context(authority=None, client=None, newest=None, oldest=None, alpn=("dot",)):
    """Verifies the server where `authority` is given; shows `client`, a (certificate, key)."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(authority.certificate)
    if client is not None:
        made.load_cert_chain(*client)
    if newest is not None:
        made.maximum_version = newest
    if oldest is not None:
        made.minimum_version = oldest
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


class Connection:
    """One encrypted connection. `before` are octets that are sent ahead of the handshake."""

    def __init__(self, port, made=None, name="127.0.0.1", timeout=10.0, session=None, before=b""):
        plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        try:
            plain.sendall(before)
            self.socket = (made or context()).wrap_socket(plain, server_hostname=name, session=session)
        except BaseException:
            plain.close()
            raise

    def send(self, name, type="A", identifier=1):
        self.socket.sendall(frame(name, type, identifier))

    def receive(self):
        """(identifier, Answer) of the next reply."""
        wire = dns.receive(self.socket, struct.unpack("!H", dns.receive(self.socket, 2))[0])
        return struct.unpack_from("!H", wire)[0], dns.decode(wire)

    def ask(self, name, type="A"):
        self.send(name, type)
        return self.receive()[1]

    def certificate_serial(self):
        return self.socket.getpeercert()["serialNumber"]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def frame(name, type="A", identifier=1):
    wire = dns.encode_query(name, type, identifier)
    return struct.pack("!H", len(wire)) + wire
