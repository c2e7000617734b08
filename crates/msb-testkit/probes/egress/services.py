"""What developers' tools talk to, behind one TLS socket: `serve(address, directory)`.

| path | |
| --- | --- |
| /echo/… | says what it was sent, however the body came |
| /simple/, /wheels/ | an index of Python packages with one in it (PEP 503) |
| /npm/ | a registry of npm packages with one in it |
| /git/repo.git | a repository, by git's own protocol |
| /events | server-sent events: the second is sent once somebody asked for /go |
| /v1/chat/completions, /v1/messages | a model as OpenAI and Anthropic serve it, which streams the key that it was sent |
| /socket | a WebSocket that sends back what it gets |
"""
import base64
import hashlib
import http.server
import io
import itertools
import json
import os
import ssl
import struct
import subprocess
import tarfile
import threading
import zipfile

GO = threading.Semaphore(0)
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def wheel():
    """A Python package without anything but a text."""
    files = {
        "hello/__init__.py": "TEXT = 'hello from the index'\n",
        "hello-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n",
        "hello-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["hello-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "hello-1.0.dist-info/RECORD"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def tarball(files):
    """The same for npm and cargo."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


WHEEL = wheel()
TARBALL = tarball(
    {
        "package/package.json": json.dumps({"name": "hello", "version": "1.0.0", "main": "index.js"}),
        "package/index.js": "module.exports = 'hello from the registry'\n",
    }
)
CRATE = tarball(
    {
        "hello-1.0.0/Cargo.toml": '[package]\nname = "hello"\nversion = "1.0.0"\nedition = "2021"\n',
        "hello-1.0.0/src/lib.rs": "//! hello from the index of crates\n",
    }
)


def completion(text):
    """Chunks of a chat completion, a word each."""
    for word in text.split(" "):
        delta = {"index": 0, "delta": {"role": "assistant", "content": word + " "}, "finish_reason": None}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"


def message(text):
    """Events of a message, a word each."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    begun = {"id": "1", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage}
    events = [{"type": "message_start", "message": begun | {"stop_reason": None, "stop_sequence": None}}]
    events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for word in text.split(" "):
        delta = {"type": "text_delta", "text": word + " "}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    events.append({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    directory = "."

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def say(self, body, kind="text/plain", status=200):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        sent = self.body()
        if path.startswith("/echo/"):
            key = self.headers.get("Authorization")
            self.say(f"{self.command} {self.path} key={key} {sent.decode()}\n")
        elif path.rstrip("/") == "/simple/hello":
            digest = hashlib.sha256(WHEEL).hexdigest()
            name = "hello-1.0-py3-none-any.whl"
            self.say(f'<a href="/wheels/{name}#sha256={digest}">{name}</a>', "text/html")
        elif path.startswith("/wheels/"):
            self.say(WHEEL, "application/octet-stream")
        elif path == "/npm/hello":
            host = self.headers["Host"]
            dist = {
                "tarball": f"https://{host}/npm/hello/-/hello-1.0.0.tgz",
                "shasum": hashlib.sha1(TARBALL).hexdigest(),
                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode(),
            }
            versions = {"1.0.0": {"name": "hello", "version": "1.0.0", "dist": dist}}
            self.say(json.dumps({"name": "hello", "dist-tags": {"latest": "1.0.0"}, "versions": versions}), "application/json")
        elif path.startswith("/npm/hello/-/"):
            self.say(TARBALL, "application/octet-stream")
        elif path == "/index/config.json":
            self.say(json.dumps({"dl": f"https://{self.headers['Host']}/crates"}), "application/json")
        elif path == "/index/he/ll/hello":
            line = {"name": "hello", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False}
            self.say(json.dumps(line | {"cksum": hashlib.sha256(CRATE).hexdigest()}) + "\n")
        elif path == "/crates/hello/1.0.0/download":
            self.say(CRATE, "application/octet-stream")
        elif path.startswith("/git/"):
            self.git(path, query, sent)
        elif path == "/events":
            self.events()
        elif path == "/go":
            GO.release()
            self.say("gone\n")
        elif path == "/v1/chat/completions":
            self.stream(completion(f"{self.headers['Authorization']} {json.loads(sent)['messages'][0]['content']}"))
        elif path == "/v1/messages":
            self.stream(message(f"{self.headers['x-api-key']} {json.loads(sent)['messages'][0]['content']}"))
        elif path == "/socket":
            self.socket()
        else:
            self.say("not found\n", status=404)

    do_POST = do_HEAD = do_PUT = do_DELETE = do_GET

    def git(self, path, query, sent):
        if self.headers.get("Content-Encoding") == "gzip":
            environment = {"HTTP_CONTENT_ENCODING": "gzip"}
        else:
            environment = {}
        environment |= {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.directory, "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path.removeprefix("/git"), "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(sent)),
            "REMOTE_USER": "test", "REMOTE_ADDR": self.client_address[0],
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "http.receivepack", "GIT_CONFIG_VALUE_1": "true",
        }
        made = subprocess.run(["git", "http-backend"], input=sent, env=environment, stdout=subprocess.PIPE, check=False)
        head, _, body = made.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.say(body, headers.get("Content-Type", "text/plain"), int(headers.get("Status", "200").split()[0]))

    def events(self):
        def events():
            yield "data: one\n\n"
            yield "data: two\n\n" if GO.acquire(timeout=10) else "data: nobody asked\n\n"

        self.stream(events())

    def stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for text in itertools.chain(events, [""]):
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
            self.wfile.flush()

    def socket(self):
        key = self.headers["Sec-WebSocket-Key"] + GUID
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            first, second = self.rfile.read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self.rfile.read(2))
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            self.wfile.write(bytes([first, length]) + data)
            self.wfile.flush()
            if first & 0xF == 8:
                return

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """A handshake that fails, of a test that refuses it, is nobody else's business."""

    def handle_error(self, *_):
        pass


def serve(address, directory, certificate):
    server = Server((address, 443), type("Here", (Handler,), {"directory": str(directory / "www")}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / f"{certificate}.pem", directory / f"{certificate}.key")
    # The handshake is the connection's own thread's, so that a slow one holds nobody up.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
