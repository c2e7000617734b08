#!/usr/bin/python3
"""An internet in a network namespace: `internet.py DIRECTORY` serves, prints `ready`, and goes on until its input ends.

| name | address | |
| --- | --- | --- |
| web.example, other.example | 203.0.113.10 | HTTP, a port each of which says who it is |
| raw.example | 203.0.113.11 | TCP 9000, UDP 5300 |
| tls.example, twin.example | 203.0.113.12 | HTTPS with one certificate for both |
| api.example | 203.0.113.13 | HTTPS: says what it was sent; DIRECTORY/www below /files |
| seen.example, sealed.example, reading.example, models.example, claude.example | 203.0.113.20 | HTTPS: services.py |
| calls.example, calls-sealed.example, calls-few.example | 203.0.113.21 | gRPC: calls.py, where MSB_TEST_CLIENTS has its library |
| git.example | 203.0.113.22 | SSH, where there is an sshd |
| private.example | 10.9.9.9 | HTTP, in a range that no name may lead to |

The host itself serves 127.0.0.1:5432.
"""
import http.server
import pathlib
import socket
import ssl
import sys
import threading

import services

HERE = pathlib.Path(sys.argv[1])


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=str(HERE / "www"))

    def do_GET(self):
        if self.path.startswith("/files/"):
            self.path = self.path.removeprefix("/files")
            return super().do_GET()
        length = int(self.headers.get("Content-Length", 0))
        sent = self.rfile.read(length).decode()
        host, key = self.headers.get("Host"), self.headers.get("Authorization")
        body = f"{self.server.server_address[0]} {self.command} {self.path} host={host} key={key} {sent}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass


def web(address, certificate=None):
    server = http.server.ThreadingHTTPServer((address, 443 if certificate else 80), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(HERE / f"{certificate}.pem", HERE / f"{certificate}.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def say(address, port, text):
    server = socket.create_server((address, port))
    while True:
        connection, _ = server.accept()
        connection.sendall(text)
        connection.close()


def echo(address, port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, port))
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(b"echo " + data, peer)


for target, *arguments in [
    (web, "203.0.113.10"),
    (web, "10.9.9.9"),
    (web, "203.0.113.12", "tls"),
    (web, "203.0.113.13", "api"),
    (services.serve, "203.0.113.20", HERE, "all"),
    (say, "203.0.113.11", 9000, b"raw"),
    (say, "127.0.0.1", 5432, b"host"),
    (echo, "203.0.113.11", 5300),
]:
    threading.Thread(target=target, args=arguments, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
