"""A TLS server that dies, and its client: tls.py DIRECTORY HOST START WAITING DEATH. Prints what the client is told."""
import socket
import ssl
import struct
import sys
import threading

directory, host, start, waiting, death = sys.argv[1:]
PLAIN = start == "after a plain request"
server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(f"{directory}/certificate", f"{directory}/key")
client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client_context.load_verify_locations(f"{directory}/certificate")
client_context.check_hostname = False

listener = socket.create_server((host, 4433))
died = threading.Event()


def line(stream):
    read = b""
    while not read.endswith(b"\n"):
        piece = stream.recv(100)
        if not piece:
            return read
        read += piece
    return read


def serve(connection, how):
    if PLAIN:
        line(connection)
        connection.sendall(b"turn to TLS\n")
    secure = server_context.wrap_socket(connection, server_side=True)
    while text := line(secure):
        secure.sendall(b"answer to " + text)
        if how == "for ever":
            continue
        if "in a request" in how:
            line(secure)
        if how == "close_notify":
            try:
                secure.settimeout(0.01)
                secure.unwrap()
            except OSError:
                pass
        if "reset" in how:
            secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        secure.close()
        died.set()
        return


def accept():
    how = death
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, how), daemon=True).start()
        how = "for ever"


threading.Thread(target=accept, daemon=True).start()


def run():
    client = socket.create_connection((host, 4433), timeout=50 if waiting == "with a timeout" else None)
    if PLAIN:
        client.sendall(b"tell\n")
        print(line(client))
    secure = client_context.wrap_socket(client)
    for text in b"one\n", b"two\n", b"three\n":
        secure.sendall(text)
        print(line(secure))
        if "in a request" not in death:
            died.wait()


try:
    run()
except Exception as error:
    print(type(error).__name__, error)
