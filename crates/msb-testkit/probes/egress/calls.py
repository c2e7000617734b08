#!/usr/bin/python3
"""gRPC, both sides: `calls.py serve DIRECTORY ADDRESS` and `calls.py call HOST`. One method, which sends bytes back."""
import pathlib
import sys

import grpc

METHOD = "/test.Echo/Say"


def serve(directory, address):
    from concurrent import futures

    def say(request, _):
        return b"echo " + request

    handler = grpc.unary_unary_rpc_method_handler(say)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", {"Say": handler})])
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


{"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
