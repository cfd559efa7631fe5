"""Things are kept by their bytes, the last that were asked for; whoever asks at the same moment gets one answer."""

import threading

import numpy as np
import pytest

from passo.web.room import Room, size_of


def test_what_nobody_asked_for_longest_goes_first():
    room = Room(5000)
    made: list[str] = []

    def ask(name: str, mark: int = 0) -> bytes:
        return room.made(name, mark, lambda: made.append(name) or bytes(1000))

    for name in ("a", "b", "c", "d", "a", "e", "f"):
        ask(name)
    assert made == ["a", "b", "c", "d", "e", "f"] and room.taken <= 5000
    ask("a")  # asked for again before there was no more room
    assert made[6:] == []
    ask("b")
    assert made[6:] == ["b"]


def test_another_mark_takes_the_place_of_the_one_before():
    room = Room(10_000)
    for mark in range(50):
        assert room.made("page", mark, lambda mark=mark: bytes([mark]) * 500) == bytes([mark]) * 500
    assert room.taken == size_of(bytes(500)) and room.known("page", 49) and room.known("page", 48) is None


def test_who_asks_meanwhile_waits_for_the_same_answer():
    room, begun, go, made = Room(10_000), threading.Event(), threading.Event(), []

    def make() -> str:
        begun.set()
        go.wait(10)
        made.append(1)
        return "answer"

    found: list[str] = []
    asking = [threading.Thread(target=lambda: found.append(room.made("key", 1, make))) for _ in range(6)]
    for one in asking:
        one.start()
    assert begun.wait(10)
    assert room.made("other", 1, lambda: "at once") == "at once"
    go.set()
    for one in asking:
        one.join(10)
    assert found == ["answer"] * 6 and made == [1]


def test_what_could_not_be_made_may_be_asked_again():
    room = Room(10_000)
    with pytest.raises(ZeroDivisionError):
        room.made("key", 1, lambda: 1 // 0)
    assert room.made("key", 1, lambda: 2) == 2


def test_sizes_count_what_things_are_made_of_once():
    array = np.zeros(1000)
    assert 8000 <= size_of(array) < 8300 and size_of([array, array]) < 9000
    assert size_of(array[:500]) < 4300
    assert size_of({"x": ["y" * 3000], "z": ("w" * 2000,)}) > 5000
    circle: list[object] = []
    circle.append(circle)
    assert size_of(circle) < 1000
