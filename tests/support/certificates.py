"""Throwaway certificates, made with openssl: an authority, servers with IP names, clients, signing keys."""

import base64
import ipaddress
import json
import subprocess
from pathlib import Path

from support.processes import run

DAYS = 7


class Authority:
    """A certificate authority in a folder of its own. `certificate` is what clients trust."""

    def __init__(self, folder, name="test authority"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "ca.crt"
        self._key = self.folder / "ca.key"
        make_key(self._key)
        # Without the usage extensions Go and newer OpenSSL reject the authority.
        run(
            ["openssl", "req", "-x509", "-new", "-key", self._key, "-days", DAYS, "-subj", f"/CN={name}", "-out",
             self.certificate, "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        )

    def server(self, name, addresses=("127.0.0.1", "::1"), host_names=("localhost",), days=DAYS):
        """Returns (certificate, key) of a server that is known by these addresses and host names; with days=-1 one
        that has expired."""
        names = [f"IP:{ipaddress.ip_address(address)}" for address in addresses]
        names += [f"DNS:{host_name}" for host_name in host_names]
        return self._issue(name, f"/CN={name}", "serverAuth", names, days)

    def client(self, user, group=None):
        """Returns (certificate, key) of a client; Kubernetes reads the user from CN and the group from O."""
        return self._issue(user, (f"/O={group}" if group else "") + f"/CN={user}", "clientAuth", [])

    def _issue(self, name, subject, usage, alternative_names, days=DAYS):
        stem = name.replace(":", "_").replace("/", "_")
        key, request, certificate, extensions = (self.folder / f"{stem}.{end}" for end in ("key", "csr", "crt", "ext"))
        make_key(key)
        lines = ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature", f"extendedKeyUsage={usage}"]
        if alternative_names:
            lines.append("subjectAltName=" + ",".join(alternative_names))
        extensions.write_text("\n".join(lines) + "\n")
        run(["openssl", "req", "-new", "-key", key, "-subj", subject, "-out", request])
        run(
            ["openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
             "-days", days, "-extfile", extensions, "-out", certificate]
        )
        return certificate, key


def make_key(path):
    """An elliptic curve key: RSA ones take seconds of a loaded machine."""
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path])
    Path(path).chmod(0o600)
    return Path(path)


def sign_token(claims, key):
    """A JSON Web Token (RFC 7519) with these claims, signed with an elliptic curve key as make_key() makes it (ES256)."""
    signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims))
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed, capture_output=True, check=True, timeout=10)
    # DER's two integers (RFC 3279 §2.2.3) as two of 32 octets (RFC 7518 §3.4).
    der, numbers, offset = done.stdout, [], 2
    for _ in range(2):
        length = der[offset + 1]
        numbers.append(int.from_bytes(der[offset + 2 : offset + 2 + length], "big"))
        offset += 2 + length
    return (signed + b"." + _base64(b"".join(number.to_bytes(32, "big") for number in numbers))).decode()


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")
