"""Who makes room."""

from flashmm_receiver.places import Places


def crowded(places_max: int = 3) -> tuple[Places[str], list[str]]:
    evicted: list[str] = []
    return Places(places_max, evicted.append), evicted


def test_strangers_make_room_first_the_oldest_of_them() -> None:
    """Whoever asked for something before outlasts those who never did."""
    places, evicted = crowded()
    for name in ("known", "first", "second"):
        places.enter(name)
    places.awaits("known")
    for name in ("third", "fourth", "fifth"):
        assert places.enter(name)
    assert evicted == ["first", "second", "third"]
    assert set(places) == {"known", "fourth", "fifth"}


def test_then_whoever_has_been_silent_longest() -> None:
    """Each request makes one young again."""
    places, evicted = crowded()
    for name in ("a", "b", "c"):
        places.enter(name)
        places.awaits(name)
    places.serves("a")
    places.awaits("a")
    places.enter("d")
    places.awaits("d")
    places.enter("e")
    assert evicted == ["b", "c"]


def test_who_waits_for_us_stays() -> None:
    """A newcomer is turned away where all are being served; a place given back is free."""
    places, evicted = crowded(2)
    for name in ("a", "b"):
        places.enter(name)
        places.serves(name)
    assert not places.enter("c")
    assert "c" not in places
    places.leave("a")
    assert places.enter("d")
    assert (len(places), evicted) == (2, [])


def test_who_has_no_place_gets_none_by_asking() -> None:
    """What ends a connection may come before its last request."""
    places, _ = crowded()
    places.enter("a")
    places.leave("a")
    places.serves("a")
    places.awaits("a")
    assert len(places) == 0
