#!/usr/bin/python3
"""gRPC, both sides: `calls.py serve DIRECTORY ADDRESS`, and `calls.py call HOST` or `stream HOST`: bytes are sent back, in
a call of one message and in one of a stream each way, where the next is sent once the last came back."""
import pathlib
import queue
import sys

import grpc

METHOD = "/test.Echo/Say"


def serve(directory, address):
    from concurrent import futures

    def say(request, _):
        return b"echo " + request

    def chat(requests, _):
        for request in requests:
            yield b"echo " + request

    methods = {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", methods)])
    here = pathlib.Path(directory)
    pair = ((here / "all.key").read_bytes(), (here / "all.pem").read_bytes())
    server.add_secure_port(f"{address}:443", grpc.ssl_server_credentials([pair]))
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop(None)


def call(host):
    with grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials()) as channel:
        try:
            print(channel.unary_unary(METHOD)(b"hi", timeout=8).decode())
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name} {error.details()}")


def stream(host):
    """Three messages, each after the answer to the one before."""
    said = queue.SimpleQueue()
    with grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials()) as channel:
        try:
            answers = channel.stream_stream("/test.Echo/Chat")(iter(said.get, None), timeout=8)
            for word in (b"one", b"two", b"three"):
                said.put(word)
                print(next(answers).decode(), end=" ")
            said.put(None)
            print(len(list(answers)))
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name} {error.details()}")


{"serve": serve, "call": call, "stream": stream}[sys.argv[1]](*sys.argv[2:])
