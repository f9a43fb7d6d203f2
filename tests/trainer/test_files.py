"""Files whose name carries the hash of their content."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.files import content_hash, content_name, read_checked
from trainer.local_folder import LocalFolder
from trainer.training.checkpoint_names import NAME, checkpoint_name, step_of


def test_names_are_those_that_older_versions_wrote() -> None:
    """Checkpoints and compacted files on disk keep their names."""
    digest = "9f86d081884c7d65"  # printf test | sha256sum
    assert content_hash(b"test") == digest
    assert checkpoint_name(40, b"test") == f"000000000040-{digest}.safetensors"
    name = content_name(f"volume-{'ab' * 8}", b"test", ".parquet")
    assert name == f"volume-{'ab' * 8}-{digest}.parquet"


@given(st.integers(0, 10**12 - 1), st.binary(max_size=50))
def test_a_checkpoints_name_is_recognised_and_says_its_step(step: int, content: bytes) -> None:
    name = checkpoint_name(step, content)
    assert NAME.fullmatch(name)
    assert step_of(name) == step


@pytest.mark.parametrize("prefix", ["000000000040", "volume-abababababababab"])
def test_a_damaged_file_is_recognised_by_its_name(prefix: str, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    name = content_name(prefix, b"whole", ".bin")
    folder.write(name, b"whole")
    assert read_checked(folder, name) == b"whole"
    for damaged in (b"", b"whol", b"Whole"):
        folder.write(name, damaged)
        with pytest.raises(ValueError, match="its content is damaged"):
            read_checked(folder, name)
    with pytest.raises(FileNotFoundError):
        read_checked(folder, content_name(prefix, b"other", ".bin"))
