import ctypes
import subprocess
import sys

import pytest

COUNT_ARENAS = """
import ctypes, sys, threading
from sweeper.backends.ray.malloc import limit_arenas

if sys.argv[1] == "one":
    assert limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
all_alive = threading.Barrier(4)

def allocate():
    libc.malloc(1000)
    all_alive.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_threads_share_one_arena_when_they_are_limited() -> None:
    def arenas(wish: str) -> int:
        counted = subprocess.run(
            [sys.executable, "-c", COUNT_ARENAS, wish], capture_output=True, text=True, check=True
        )
        return counted.stdout.count("<heap nr=")

    assert arenas("own") > arenas("one") == 1
