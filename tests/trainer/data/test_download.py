import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trainer.data.cache.store import open_dataset
from trainer.data.official.download import fetch_files
from trainer.errors import UserError

TRAIN, TEST = "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"


class Server:
    """A real server on this machine that answers with `files`, path by path."""

    def __init__(self):
        self.files = {}
        self.announce = {}  # path: Content-Length, where it is not the true one
        self.asked = []

    def answer(self, request):
        self.asked.append(request.path)
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        request.send_response(200)
        length = self.announce.get(request.path, len(content))
        if length is not None:
            request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(content)


@pytest.fixture
def server():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.answer(self)

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def remote(server, make_tiny):
    """A data set with two mirrors, the second of which has the files."""
    tiny = make_tiny(mirrors=(f"{server.url}/one/", f"{server.url}/two/"))
    server.files = {f"/two/{name}": content for name, content in tiny.packed.items()}
    return tiny


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_missing_file_at_one_mirror_comes_from_the_next(remote, server, cache):
    paths = fetch_files(remote.info)
    assert paths == (cache / "tiny" / TRAIN, cache / "tiny" / TEST)
    assert [path.read_bytes() for path in paths] == list(remote.packed.values())
    assert server.asked == [
        f"/{mirror}/{name}" for name in (TRAIN, TEST) for mirror in ("one", "two")
    ]
    assert names(cache / "tiny") == sorted([TRAIN, TEST])
    assert open_dataset(remote.info).train.shape == (7, 1, 28, 28)


def test_nothing_is_asked_when_all_is_there(remote, server, tmp_path, monkeypatch):
    data = remote.write(tmp_path / "elsewhere")
    monkeypatch.setenv("SWEEPER_DATA", str(data))
    assert fetch_files(remote.info) == (data / TRAIN, data / TEST)
    assert server.asked == []


def test_a_data_dir_is_made_and_filled(remote, tmp_path, cache):
    paths = fetch_files(remote.info, tmp_path / "new" / "data")
    assert paths[0] == tmp_path / "new" / "data" / "tiny" / TRAIN
    assert open_dataset(remote.info, tmp_path / "new" / "data").test.shape == (3, 1, 28, 28)
    assert not (cache / "tiny" / TRAIN).exists()


def test_only_the_missing_file_is_asked_for(remote, server, cache):
    fetch_files(remote.info)
    (cache / "tiny" / TEST).unlink()
    server.asked.clear()
    fetch_files(remote.info)
    assert server.asked == [f"/one/{TEST}", f"/two/{TEST}"]


def test_a_damaged_file_is_replaced(remote, cache):
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / TRAIN).write_bytes(remote.packed[TRAIN][:50])
    fetch_files(remote.info)
    assert (cache / "tiny" / TRAIN).read_bytes() == remote.packed[TRAIN]


def test_a_damaged_file_that_would_be_found_first_is_an_error(
    remote, server, tmp_path, monkeypatch
):
    (tmp_path / TRAIN).write_bytes(b"mine")
    monkeypatch.setenv("SWEEPER_DATA", str(tmp_path))
    with pytest.raises(UserError, match="not the official"):
        fetch_files(remote.info)
    assert (tmp_path / TRAIN).read_bytes() == b"mine"
    assert server.asked == []


def test_progress_reports_bytes_of_each_file(remote, server):
    server.announce[f"/two/{TEST}"] = None
    seen = []
    fetch_files(remote.info, progress=lambda *report: seen.append(report))
    size, other = len(remote.packed[TRAIN]), len(remote.packed[TEST])
    assert seen[-1] == (TEST, other, None)
    assert (TRAIN, size, size) in seen
    assert all(done <= (size if name == TRAIN else other) for name, done, _ in seen)


WRONG = {
    "wrong content": (lambda good: good[:10] + b"\0\0\0\0" + good[14:], 0, "wrong content: "),
    "another file": (lambda good: b"<html>please log in</html>", 0, "expected a gzip file"),
    "truncated": (lambda good: good[:-20], 20, "the transfer"),
    "truncated in silence": (lambda good: good[:-20], 0, "ends early"),
}


@pytest.mark.parametrize(("damage", "missing", "reason"), WRONG.values(), ids=WRONG)
def test_a_bad_transfer_leaves_nothing(remote, server, cache, damage, missing, reason):
    path = f"/two/{TRAIN}"
    server.files[path] = damage(server.files[path])
    server.announce[path] = len(server.files[path]) + missing
    with pytest.raises(UserError) as refusal:
        fetch_files(remote.info)
    message = str(refusal.value)
    assert f"cannot download {TRAIN}" in message
    assert f"{server.url}/one/{TRAIN} (answered 404 Not Found)" in message
    assert f"{server.url}/two/{TRAIN}" in message
    assert reason in message
    assert f"put it in {cache / 'tiny'}" in message
    assert "\n" not in message
    assert names(cache / "tiny") == []


def test_a_bad_transfer_is_made_good_by_the_next_mirror(remote, server, cache):
    server.files[f"/one/{TRAIN}"] = remote.packed[TEST]
    fetch_files(remote.info)
    assert (cache / "tiny" / TRAIN).read_bytes() == remote.packed[TRAIN]


def test_without_a_network_the_error_says_where_files_can_be_put(make_tiny, cache):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(UserError) as refusal:
        fetch_files(make_tiny(mirrors=(url,)).info)
    message = str(refusal.value)
    assert f"{url}{TRAIN}" in message
    assert "refused" in message
    assert str(cache / "tiny") in message


def test_a_folder_that_cannot_be_written(remote, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match=r"cannot write to .*name another --data-dir"):
        fetch_files(remote.info, tmp_path / "file")
