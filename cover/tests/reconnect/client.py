"""A client that knows nothing of libha: client.py FLAVOUR SERVER CONTROL STEP..., where SERVER is IP:PORT, unix:PATH or unix:@NAME.

A step is "died": let the server's connection die, and wait until it has; "end": read to the end; anything else: ask that. What comes
of each is printed: the answer, or the exception.
"""
import os
import select
import selectors
import socket
import sys


def place(text):
    if text.startswith("unix:"):
        path = text[5:]
        return socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path
    host, port = text.rsplit(":", 1)
    host = host.strip("[]")
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, int(port))


flavour, server, control, *steps = sys.argv[1:]
# Only what the flavour needs: they are slow to load.
if "Asyncio" in flavour:
    import asyncio
if "Http" in flavour:
    import http.client
if flavour == "SentAsFile":
    import tempfile
family, address = place(server)
control = socket.create_connection(place(control)[1])


def show(step, ask):
    try:
        print(step, ask())
    except Exception as error:
        print(step, type(error).__name__, getattr(error, "errno", None))


class Blocking:
    def __init__(self):
        self.socket = self.connected()
        self.send, self.receive = self.socket.sendall, self.socket.recv

    def connected(self):
        new = socket.socket(family)
        new.connect(address)
        return new

    def ask(self, text):
        self.send(text.encode() + b"\n")
        return self.until(b"\n")

    def until(self, end):
        read = b""
        while not (end and read.endswith(end)):
            piece = self.receive(100)
            if not piece:
                return f"{read} and the end"
            read += piece
        return read

    def end(self):
        return self.until(None)


class Timeout(Blocking):
    def connected(self):
        new = socket.socket(family)
        new.settimeout(50)
        new.connect(address)
        return new


class Numbers(Blocking):
    def __init__(self):
        super().__init__()
        number = self.socket.fileno()
        self.send, self.receive = lambda text: os.write(number, text), lambda size: os.read(number, size)


class Stream(Blocking):
    def __init__(self):
        super().__init__()
        self.file = self.socket.makefile("rwb")

    def ask(self, text):
        self.file.write(text.encode() + b"\n")
        self.file.flush()
        return self.file.readline()

    def end(self):
        return self.file.read()


class NonBlocking(Blocking):
    """Connects without waiting, and waits before every read."""

    def connected(self):
        new = socket.socket(family)
        new.setblocking(False)
        try:
            new.connect(address)
        except BlockingIOError:
            select.select([], [new], [])
            error = new.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))
        return new

    def __init__(self):
        super().__init__()
        self.begin()
        self.receive = self.receive_when_ready

    def receive_when_ready(self, size):
        while True:
            self.wait()
            try:
                return self.socket.recv(size)
            except BlockingIOError:
                pass


class Selectors(NonBlocking):
    def begin(self):
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)

    def wait(self):
        self.selector.select()


class EdgeTriggered(NonBlocking):
    def begin(self):
        self.epoll = select.epoll()
        self.epoll.register(self.socket, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def receive_when_ready(self, size):
        while True:
            try:
                return self.socket.recv(size)
            except BlockingIOError:
                self.epoll.poll()


class Poll(NonBlocking):
    def begin(self):
        self.poll = select.poll()
        self.poll.register(self.socket, select.POLLIN)

    def wait(self):
        self.poll.poll()


class Select(NonBlocking):
    def begin(self):
        pass

    def wait(self):
        select.select([self.socket], [], [])


class Asyncio:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        connected = asyncio.open_connection(*address) if family != socket.AF_UNIX else asyncio.open_unix_connection(address)
        self.reader, self.writer = self.loop.run_until_complete(connected)

    def ask(self, text):
        return self.loop.run_until_complete(self.asked(text))

    async def asked(self, text):
        self.writer.write(text.encode() + b"\n")
        await self.writer.drain()
        return await self.reader.readline()

    def end(self):
        return self.loop.run_until_complete(self.reader.read())


class AttentiveAsyncio(Asyncio):
    """Its loop sees a death before it asks, and it asks all the same."""

    async def asked(self, text):
        await asyncio.sleep(0.01)
        return await super().asked(text)


class Http:
    timeout = None

    def __init__(self):
        self.connection = http.client.HTTPConnection(*address, timeout=self.timeout)

    def ask(self, text):
        self.connection.request("GET", text)
        return self.connection.getresponse().read()

    def end(self):
        return self.connection.sock.recv(100)


class HttpWithTimeout(Http):
    timeout = 50


class Spliced(Blocking):
    """Its bytes never come to user space."""

    def __init__(self):
        super().__init__()
        self.pipe = os.pipe()
        self.receive = self.splice

    def splice(self, size):
        moved = os.splice(self.socket.fileno(), self.pipe[1], size)
        return os.read(self.pipe[0], moved) if moved else b""


class SentAsFile(Blocking):
    """Its requests come out of a file."""

    def ask(self, text):
        with tempfile.TemporaryFile() as file:
            file.write(text.encode() + b"\n")
            file.seek(0)
            self.socket.sendfile(file)
        return self.until(b"\n")


class Family(Blocking):
    """Tells in the end what kind of socket it has, and to whom it is connected."""

    def end(self):
        family = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
        return socket.AddressFamily(family).name + " " + self.socket.getpeername()[0]


class Forked(Blocking):
    """Asks in a child that has inherited the connection."""

    def ask(self, text):
        if text.startswith("child"):
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                show("in", lambda: super(Forked, self).ask(text))
                sys.stdout.flush()
                os._exit(0)
            return os.waitpid(child, 0)[1]
        return super().ask(text)


class HalfClosed(Blocking):
    """Says with an end of file that the request is whole."""

    def ask(self, text):
        if text.startswith("last"):
            # No newline: the server has the request when it has the end.
            self.socket.sendall(text.encode())
            self.socket.shutdown(socket.SHUT_WR)
            return self.until(b"\n")
        return super().ask(text)


def run():
    client = globals()[flavour]()
    for step in steps:
        if step == "died":
            control.sendall(b"x")
            control.recv(1)
        else:
            show(step, client.end if step == "end" else lambda: client.ask(step))


show("finished", run)
