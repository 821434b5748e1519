"""Roads out of OpenStreetMap: who may walk where, and what an extract lacks."""

from __future__ import annotations

import pytest

from balance_lib._errors import DataError
from balance_lib.access.distance import Network, Places, read_osm
from balance_lib.data import tables

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">\n'


def extract(path, ways) -> str:
    """Write an extract whose nodes 1..9 lie 0.001° apart on a meridian; ways are (nodes, tags)."""
    text = HEAD + "".join(f'<node id="{i}" lat="{31 + i / 1000}" lon="109.0" version="1"/>\n' for i in range(1, 10))
    for i, (nodes, tags) in enumerate(ways, start=1):
        inner = "".join(f'<nd ref="{n}"/>' for n in nodes) + "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
        text += f'<way id="{i}" version="1">{inner}</way>\n'
    path.write_text(text + "</osm>\n")
    return str(path)


def test_pieces_kinds_and_who_may_walk(tmp_path) -> None:
    file = extract(
        tmp_path / "a.osm",
        [
            ([1, 2, 3], {"highway": "residential", "oneway": "yes"}),
            ([3, 4], {"highway": "motorway"}),
            ([3, 4], {"highway": "primary", "foot": "no"}),
            ([3, 4], {"highway": "primary", "motorroad": "yes"}),
            ([4, 5], {"highway": "service", "access": "private"}),
            ([5, 6], {"highway": "track", "access": "no", "foot": "designated"}),
            ([6, 7], {"highway": "secondary", "bridge": "viaduct"}),
            ([7, 8], {"highway": "footway"}),
            ([8, 99, 9], {"highway": "tertiary"}),
            ([1, 9], {"waterway": "river", "name": "大河"}),
            ([1, 9], {"waterway": "stream"}),
        ],
    )
    found = read_osm(file)
    kinds = {f"{a}-{b}": k for a, b, k in found.edges[["from_node", "to_node", "kind"]].itertuples(index=False)}
    assert kinds == {"1-2": "street", "2-3": "street", "5-6": "path", "6-7": "bridge", "7-8": "path"}
    assert found.report == {"ways": 9, "walkable": 5, "closed": 4, "cut": 1, "rivers": 1}
    assert found.edges["length_m"].between(110.8, 110.95).all()
    assert tables.check({"edges": found.edges}) == []
    assert found.rivers["features"][0]["properties"]["name"] == "大河"


def test_one_way_streets_are_walked_both_ways(tmp_path) -> None:
    file = extract(tmp_path / "a.osm", [(list(range(1, 10)), {"highway": "residential", "oneway": "yes"})])
    ends = Places(["a", "b"], [109.0, 109.0], [31.001, 31.009])
    found = Network.of(read_osm(file).edges).table(ends, ends).metres
    assert found[0, 1] == found[1, 0] == pytest.approx(8 * 110.87, abs=0.5)


def test_an_extract_without_roads_gives_an_empty_table(tmp_path) -> None:
    found = read_osm(extract(tmp_path / "a.osm", []))
    assert found.edges.empty and found.rivers["features"] == []
    place = Places(["a"], [109.0], [31.0])
    assert Network.of(found.edges).table(place, place).counts["off"] == 1


@pytest.mark.parametrize("content", [None, b"no extract at all"])
def test_a_file_that_is_none_is_said_to_be(tmp_path, content) -> None:
    file = tmp_path / "roads.osm.pbf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_osm(file)
    assert error.value.faults[0].rule == "osm_unreadable"
    assert "roads.osm.pbf" in error.value.report("zh")
