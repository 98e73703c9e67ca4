"""The object store of compose.yaml, in so far as it has users: moto's store behind the users and policies of versitygw.

moto knows neither. The semantics are those of versitygw 1.7: https://github.com/versity/versitygw/wiki/Bucket-Policy
"""

import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BytesIO
from threading import Thread
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_api._internal import moto_api_backend
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug import Request, Response
from werkzeug.serving import make_server

from builders.compose_file import DOCKER

SIGNED = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)")
# Asked for by an address without an object, and with one.
OF_BUCKETS = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket", "POST": "?"}
OF_OBJECTS = {
    "GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject",
}  # fmt: skip


@dataclass
class UsersStore:
    """Lets in who signs with a known key, and lets users do what the bucket's policy allows; root may do everything."""

    root: str
    secrets: dict[str, str]
    inner: Callable
    policies: dict[str, Any] = field(default_factory=dict)

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        environ["wsgi.input"] = BytesIO(body)
        answer = self.refusal(request) or self.administration(request, body) or self.new_policy(request, body)
        return (answer or self.inner)(environ, start_response)

    def new_policy(self, request: Request, body: bytes) -> Response | None:
        if request.method != "PUT" or "policy" not in request.args:
            return None
        self.policies[request.path.strip("/")] = json.loads(body)
        return Response(status=204)

    def refusal(self, request: Request) -> Response | None:
        found = SIGNED.search(request.headers.get("Authorization", ""))
        if found is None or found[1] not in self.secrets:
            return said(403, "InvalidAccessKeyId")
        if signature(request, self.secrets[found[1]], found) != found[4]:
            return said(403, "SignatureDoesNotMatch")
        if found[1] == self.root or self.allows(found[1], request):
            return None
        return said(403, "AccessDenied")

    def allows(self, user: str, request: Request) -> bool:
        bucket, _, name = request.path.lstrip("/").partition("/")
        action = f"s3:{(OF_OBJECTS if name else OF_BUCKETS)[request.method]}"
        if "policy" in request.args or "delete" in request.args or bucket not in self.policies:
            return False
        if "uploadId" in request.args and request.method in ("GET", "DELETE"):
            action = "s3:ListMultipartUploadParts" if request.method == "GET" else "s3:AbortMultipartUpload"
        if "location" in request.args:
            action = "s3:GetBucketLocation"
        asked = f"arn:aws:s3:::{bucket}/{name}" if name else f"arn:aws:s3:::{bucket}"
        return any(
            each["Effect"] == "Allow" and user in each["Principal"]["AWS"] and action in each["Action"]
            and fnmatchcase(asked, each["Resource"])
            for each in self.policies[bucket]["Statement"]
        )  # fmt: skip

    def administration(self, request: Request, body: bytes) -> Response | None:
        if request.method != "PATCH":
            return None
        if request.headers["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD":
            return said(400, "InvalidArgument")
        account = {each.tag: each.text for each in ET.fromstring(body)}
        assert account["Role"] == "user", account
        if request.path == "/create-user":
            if account["Access"] in self.secrets:
                return said(409, "XAdminUserExists")
            self.secrets[account["Access"]] = account["Secret"]
            return Response(status=201)
        assert request.path == "/update-user", request.path
        if request.args["access"] not in self.secrets:
            return said(404, "XAdminUserNotFound")
        self.secrets[request.args["access"]] = account["Secret"]
        return Response(status=200)


def said(status: int, code: str) -> Response:
    return Response(f"<Error><Code>{code}</Code><Message>{code}</Message></Error>", status, mimetype="text/xml")


def signature(request: Request, secret: str, found: re.Match[str]) -> str:
    """What the request must be signed with, by version 4 of Amazon's signatures."""
    address = f"http://{request.host}{request.environ['REQUEST_URI']}"
    headers = {name: request.headers[name] for name in found[3].split(";")}
    asked = AWSRequest(request.method, address, headers=headers)
    asked.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = S3SigV4Auth(Credentials(found[1], secret), "s3", found[2])
    return signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked)


@contextmanager
def store_with_users(root: str, secret: str) -> Iterator[str]:
    """Serve an empty store; yields its address."""
    app = UsersStore(root, {root: secret}, DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        # All of a process's stores share what is in them.
        moto_api_backend.reset()
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load_prepare() -> ModuleType:
    """docker/prepare.py, a program of an image, as a module."""
    spec = importlib.util.spec_from_file_location("prepare", DOCKER / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
