"""The page's files: complete, pinned, small, and served with the headers that keep it safe and fresh."""

import gzip
import hashlib
import json
import re
from importlib.resources import files

import httpx
import pytest

import flashmm_dashboards
from flashmm_backends.naming import label_name, metric_name
from flashmm_dashboards import CONTENT_SECURITY_POLICY, LivePage, page_files
from flashmm_instrumentation.semconv import METRICS, attributes
from flashmm_streaming import STREAMS

WEB = files("flashmm_dashboards") / "web"
SCRIPTS = {path: page for path, page in page_files().items() if path.startswith("/static/js/")}
BUDGET_BYTES = 230_000
"""A round number above what it weighs."""


@pytest.fixture
async def client():
    transport = httpx.ASGITransport(LivePage())
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as http:
        yield http


def linked(text):
    """Every path under /static/ that a file refers to."""
    return set(re.findall(r'["(](/static/[^"?#)]+)', text))


class TestFiles:
    """What is shipped."""

    def test_vendored_files_are_what_the_manifest_says(self):
        """Each third-party file has the pinned content, its licence beside it, and nothing else is there."""
        vendor = WEB / "vendor"
        manifest = json.loads((vendor / "manifest.json").read_text())
        for package in manifest:
            folder = vendor / package["folder"]
            assert {path.name for path in folder.iterdir()} == set(package["sha256"])
            assert "LICENSE" in package["sha256"] and package["version"] in package["folder"]
            for name, digest in package["sha256"].items():
                assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
        assert {path.name for path in vendor.iterdir()} == {"manifest.json", *(each["folder"] for each in manifest)}

    def test_everything_referred_to_is_there(self):
        """Every file that the page, its style and its scripts refer to exists."""
        pages = page_files()
        for path in ("/", "/static/page.css"):
            assert linked(pages[path].body.decode()) <= set(pages), path
        for path, script in SCRIPTS.items():
            for name in re.findall(r'from "\./([^"]+)"', script.body.decode()):
                assert f"/static/js/{name}" in pages, path

    def test_page_is_small(self):
        """All that a first visit loads weighs less than 230 kB even without compression."""
        pages = page_files()
        loaded = (
            {"/"} | linked(pages["/"].body.decode()) | linked(pages["/static/page.css"].body.decode()) | set(SCRIPTS)
        )
        assert sum(len(pages[path].body) for path in loaded) < BUDGET_BYTES

    def test_no_markup_out_of_data(self):
        """No script parses text as markup or code, and the page has no inline script or style."""
        for path, script in SCRIPTS.items():
            found = re.findall(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script.body.decode()
            )
            assert not found, path
        page = page_files()["/"].body.decode()
        assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=", page)

    def test_names_are_the_registrys(self):
        """Every metric and label in the page's queries is one of the registry's."""
        history = (WEB / "js" / "history.js").read_text()
        known = {metric_name(metric) for metric in METRICS}
        labels = {label_name(value) for value in vars(attributes).values() if isinstance(value, str)}
        for name in re.findall(r'"(flashmm_[\w()|]+)"', history):
            stem = re.fullmatch(r"(\w*)\(([\w|]+)\)(\w*)", name)
            names = [f"{stem[1]}{part}{stem[3]}" for part in stem[2].split("|")] if stem else [name]
            assert set(names) <= known, name
        assert set(re.findall(r"(flashmm_\w+):", history)) <= labels

    def test_streams_are_the_hubs(self):
        """The page subscribes to streams that exist."""
        text = (WEB / "js" / "state.js").read_text()
        listed = re.search(r"STREAMS = \[(.*?)\]", text, re.DOTALL)
        assert listed and set(re.findall(r'"(\w+)"', listed[1])) <= set(STREAMS)

    def test_public_names(self):
        """What is public is there."""
        assert all(hasattr(flashmm_dashboards, name) for name in flashmm_dashboards.__all__)


class TestServing:
    """How it is served."""

    async def test_page_and_policy(self, client):
        """The page comes with a policy that allows this origin's files alone."""
        answer = await client.get("/")
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert "unsafe" not in CONTENT_SECURITY_POLICY and answer.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize("path", sorted(page_files()))
    async def test_revalidation(self, client, path):
        """Each file has an ETag, and asking again with it costs no body."""
        first = await client.get(path)
        again = await client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert first.status_code == 200 and (again.status_code, again.content) == (304, b"")

    async def test_caching(self, client):
        """Vendored files, versioned by path, may be kept for good; ours are asked about each time."""
        vendored = next(path for path in page_files() if "/vendor/uplot" in path)
        assert "immutable" in (await client.get(vendored)).headers["cache-control"]
        assert (await client.get("/static/js/main.js")).headers["cache-control"] == "no-cache"

    async def test_compression(self, client):
        """Compressed where asked for and worth it, plain otherwise; the length is that of what is sent."""
        plain = await client.get("/static/page.css", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        packed = page_files()["/static/page.css"].gzipped
        answer = await client.get("/static/page.css", headers={"accept-encoding": "gzip"})
        assert answer.headers["content-length"] == str(len(packed)) and gzip.decompress(packed) == plain.content
        font = next(path for path in page_files() if path.endswith(".woff2"))
        assert "content-encoding" not in (await client.get(font, headers={"accept-encoding": "gzip"})).headers

    async def test_head_and_other_methods(self, client):
        """HEAD has no body; other methods are refused."""
        head = await client.head("/")
        assert head.status_code == 200 and head.content == b"" and int(head.headers["content-length"]) > 0
        assert (await client.post("/")).status_code == 405

    async def test_boards_index(self, client):
        """With or without a slash; what is no board gets the same list, as 404."""
        index = await client.get("/boards")
        assert index.status_code == 200 and "Boards" in index.text
        assert (await client.get("/boards/")).content == index.content
        missing = await client.get("/boards/nobody", headers={"if-none-match": index.headers["etag"]})
        assert missing.status_code == 404 and missing.content == index.content
        assert (await client.get("/boards/nobody.json")).status_code == 404

    @pytest.mark.parametrize("path", ["/nothing", "/static/", "/static/../_page.py", "/static/js/%2e%2e/index.html"])
    async def test_nothing_else(self, client, path):
        """What is not there is 404, and nothing outside the folder can be reached."""
        assert (await client.get(path)).status_code == 404

    async def test_websocket_elsewhere(self):
        """A WebSocket that is no stream is turned away."""
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        await LivePage()({"type": "websocket", "path": "/"}, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"]
