"""Prints what a server says, with the library that is named: `clients.py LIBRARY METHOD ADDRESS`."""
import asyncio
import sys


def requests(method, address):
    import requests

    answer = requests.request(method, address, timeout=8)
    print(answer.status_code, answer.text.strip())


def httpx(method, address):
    import httpx

    answer = httpx.request(method, address, timeout=8)
    print(answer.status_code, answer.text.strip())


def two(_, address):
    """A call of gRPC as a plain request by HTTP/2."""
    import httpx

    with httpx.Client(http2=True, timeout=8) as client:
        answer = client.post(address, content=b"\0\0\0\0\2hi", headers={"content-type": "application/grpc", "te": "trailers"})
        print(answer.status_code, answer.http_version, answer.content[5:].decode())


def openai(_, address):
    """A stream of a chat, then something that the rule does not have."""
    import openai

    client = openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0, timeout=8)
    words = [{"role": "user", "content": "hi"}]
    stream = client.chat.completions.create(model="m", messages=words, stream=True)
    print("".join(chunk.choices[0].delta.content for chunk in stream))
    try:
        client.files.list()
    except openai.PermissionDeniedError as error:
        print(error.status_code, error.body)


def anthropic(_, address):
    import anthropic

    client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0, timeout=8)
    words = [{"role": "user", "content": "hi"}]
    with client.messages.stream(model="m", max_tokens=9, messages=words) as stream:
        print("".join(stream.text_stream))
    try:
        client.models.list()
    except anthropic.PermissionDeniedError as error:
        print(error.status_code, error.body["needed"])


def aiohttp(method, address):
    import aiohttp

    async def ask():
        limit = aiohttp.ClientTimeout(total=8)
        async with aiohttp.ClientSession(timeout=limit) as session, session.request(method, address) as answer:
            print(answer.status, (await answer.text()).strip())

    asyncio.run(ask())


def chunks(method, address):
    """A body in pieces, whose length nobody knows before."""
    import requests

    answer = requests.request(method, address, data=iter([b"one ", b"two"]), timeout=8)
    print(answer.status_code, answer.text.strip())


def events(_, address):
    """The second event is sent once the first was read: whoever keeps answers back never gets it."""
    import requests

    with requests.get(address + "/events", stream=True, timeout=8) as answer:
        lines = (line for line in answer.iter_lines(chunk_size=1) if line)
        print(next(lines).decode(), requests.get(address + "/go", timeout=8).text.strip(), next(lines).decode())


def socket(_, address):
    import websockets.sync.client

    with websockets.sync.client.connect(address, open_timeout=8) as connection:
        connection.send("hi")
        first = connection.recv(timeout=8)
        connection.send("again")
        print(first, connection.recv(timeout=8))


try:
    globals()[sys.argv[1]](*sys.argv[2:])
except Exception as error:  # what a person would see last, on one line
    sys.exit(f"{type(error).__name__}: {error}")
