"""Real receivers on loopback of what people are told: one of HTTP, one of mail; each ends with the test."""

import base64
import ipaddress
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Received:
    """What a receiver took, and what it answers instead of taking, the next answer first."""

    address: str = ""
    taken: list[Any] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    tries: int = 0


@dataclass
class Post:
    """One request that was taken."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@contextmanager
def _running(server: Any) -> Iterator[int]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def http_receiver(taken: int = 204) -> Iterator[Received]:
    """Listen for POSTs of JSON, and answer with `taken`, or with what `refusals` holds first."""
    received = Received()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.tries += 1
            content = self.rfile.read(int(self.headers["Content-Length"]))
            refused = received.refusals.pop(0) if received.refusals else None
            if refused is None:
                received.taken.append(Post(self.path, dict(self.headers), json.loads(content)))
            self.send_response(refused or taken)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with _running(ThreadingHTTPServer(("127.0.0.1", 0), Hook)) as port:
        received.address = f"http://127.0.0.1:{port}"
        yield received


@dataclass
class Letter:
    """One mail that was taken: envelope, parsed message, and who had logged in over what."""

    sender: str
    receivers: list[str]
    message: Any
    user: str | None
    encrypted: bool


@contextmanager
def mail_receiver(
    certificate: tuple[Path, Path] | None = None, users: dict[str, str] | None = None
) -> Iterator[Received]:
    """Speak as much SMTP as a relay does: EHLO, STARTTLS (with a certificate), AUTH PLAIN (with users), mail, QUIT."""
    received = Received()

    class Relay(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())
            self.wfile.flush()

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def handle(self) -> None:
            user, encrypted, sender, receivers = None, False, "", []
            self.say("220 relay")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                verb, _, rest = line.partition(" ")
                match verb.upper():
                    case "EHLO":
                        self.say("250-relay")
                        if certificate and not encrypted:
                            self.say("250-STARTTLS")
                        if users and (encrypted or not certificate):
                            self.say("250-AUTH PLAIN")
                        self.say("250 SMTPUTF8")
                    case "STARTTLS":
                        self.say("220 go on")
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(*(certificate or ()))
                        self.rfile.close()
                        self.wfile.close()
                        # It takes the socket over, so what closes the connection must close this one.
                        try:
                            self.connection = self.request = context.wrap_socket(self.connection, server_side=True)
                        except ssl.SSLError:
                            return
                        self.setup()
                        encrypted = True
                    case "AUTH":
                        _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                        if (users or {}).get(name) == password:
                            user = name
                            self.say("235 welcome")
                        else:
                            self.say(f"535 {name} {password} is wrong")
                    case "MAIL":
                        received.tries += 1
                        if received.refusals:
                            self.say(f"{received.refusals.pop(0)} not now")
                        elif users and user is None:
                            self.say("530 log in first")
                        else:
                            sender, receivers = rest.partition(":")[2].split()[0].strip("<>"), []
                            self.say("250 ok")
                    case "RCPT":
                        receivers.append(rest.partition(":")[2].strip("<>"))
                        self.say("550 nobody" if receivers[-1].startswith("nobody") else "250 ok")
                    case "DATA":
                        self.say("354 go on")
                        lines = iter(self.rfile.readline, b".\r\n")
                        content = b"".join(line[1:] if line.startswith(b"..") else line for line in lines)
                        parsed = message_from_bytes(content, policy=policy.default)
                        received.taken.append(Letter(sender, receivers, parsed, user, encrypted))
                        self.say("250 taken")
                    case "QUIT":
                        self.say("221 bye")
                        return
                    case _:
                        self.say("250 ok")

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay)) as port:
        received.address = f"smtp://127.0.0.1:{port}"
        yield received


@contextmanager
def raw_receiver(answer: bytes | None) -> Iterator[str]:
    """Listen, and answer whatever comes with these bytes; None: never answer. Yields host and port."""
    done = threading.Event()

    class Raw(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if answer is None:
                done.wait(20)
            else:
                self.request.sendall(answer)

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Raw)) as port:
        try:
            yield f"127.0.0.1:{port}"
        finally:
            done.set()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "relay.pem", folder / "relay.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, private
