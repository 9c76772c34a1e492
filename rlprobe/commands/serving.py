"""The page of a run over HTTP, for a browser on this machine: the page and its chunk files, nothing else of the run.

Bound to 127.0.0.1 alone; a request that names another host is refused, so that no site can reach it by a name of its
own that resolves here.
"""

from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rlprobe.errors import BadInput
from rlprobe.reporting.page.chunks import FOLDER

LOOPBACK = "127.0.0.1"


def server(page: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the page at `port`, or at any free one for 0. Raises BadInput where the port is taken."""
    files = {page.name, *(f"{FOLDER}/{file.name}" for file in (page.parent / FOLDER).glob("*.js"))}

    class Handler(_Handler):
        shown = files

        def __init__(self, *request: Any) -> None:
            super().__init__(*request, directory=str(page.parent))

    try:
        return ThreadingHTTPServer((LOOPBACK, port), Handler)
    except OSError as error:
        raise BadInput(f"port {port} of {LOOPBACK} cannot be had ({error.strerror}); give another --port") from None


def address(server: ThreadingHTTPServer) -> str:
    """Where the page is."""
    return f"http://{LOOPBACK}:{server.server_port}/"


def until_interrupted(server: ThreadingHTTPServer) -> None:
    """Serve; Ctrl-C is how it ends."""
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return


class _Handler(SimpleHTTPRequestHandler):
    """Answers for the files in `shown`, silently."""

    shown: set[str]

    def send_head(self) -> Any:
        """The one door of GET and HEAD."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in (LOOPBACK, "localhost"):
            return self.send_error(HTTPStatus.FORBIDDEN)
        name = self.path.lstrip("/").partition("?")[0] or "report.html"
        if name not in self.shown:
            return self.send_error(HTTPStatus.NOT_FOUND)
        self.path = f"/{name}"
        return super().send_head()

    def end_headers(self) -> None:
        """Nothing is kept: the page may be written again."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing: the address stands on the terminal already."""
