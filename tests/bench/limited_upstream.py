#!/usr/bin/env python3
"""An upstream that can answer so many questions a second and no more: what is above its rate it never hears.

    limited_upstream.py PORT RATE
"""

import socket
import struct
import sys
import time

# What a scheduler takes away for a moment is made up for.
BURST_SECONDS = 0.2


def main():
    port, rate = int(sys.argv[1]), float(sys.argv[2])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    server.bind(("127.0.0.1", port))
    tokens, filled = 0.0, time.monotonic()
    answer = b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 0, 4, b"\xc0\x00\x02\x01")
    while True:
        query, client = server.recvfrom(4096)
        now = time.monotonic()
        tokens = min(tokens + (now - filled) * rate, max(1.0, rate * BURST_SECONDS))
        filled = now
        if tokens < 1:
            continue
        tokens -= 1
        end = 12
        while end < len(query) and query[end]:
            end += 1 + query[end]
        question = query[12:end + 5]
        server.sendto(query[:2] + b"\x81\x80" + struct.pack("!4H", 1, 1, 0, 0) + question + answer, client)


main()
