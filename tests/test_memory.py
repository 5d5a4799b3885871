import pytest

from labelmend import memory


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (5 * 2**29, "2.5 GiB"),
        (2**40, "1.0 TiB"),
        (2**70, "1,048,576.0 PiB"),
    ],
)
def test_sizes_in_words(size, words):
    assert memory.in_words(size) == words


def test_a_container_has_the_memory_of_its_limit(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    limit.write_text("4096\n")
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (limit,))
    assert memory.total_memory() == 4096
    assert memory.fits_in_memory(4095)
    assert not memory.fits_in_memory(4096)
    limit.write_text("max\n")
    assert memory.total_memory() > 2**26


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "total_memory", lambda: None)
    assert memory.fits_in_memory(2**80)
