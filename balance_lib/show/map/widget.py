"""Draw schools and villages as a schematic map: plain SVG, geometry sent once, then only classes and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import pandas as pd
import traitlets

from . import picture
from .geometry import HIDDEN, Geometry, of_frames, placed, project
from .looks import COLOURS, STATIC, WORDS, LinkClass, MapClass, VillageClass, status_classes, style


class SchematicMap(anywidget.AnyWidget):
    """Show schools and villages over an outline, townships, rivers and roads, with pan, zoom, hover and click.

    Colour, mark and outline tell the class; the shape tells the kind of school. Changing classes, values or radius
    sends a few bytes a school; the geometry is sent once. In a saved notebook the map leaves a still picture.

    Parameters
    ----------
    schools : GeoDataFrame
        Points (of other shapes a point inside is taken), with a coordinate system. Read where there: ``school_id`` or
        ``id`` (else the index), ``name_zh`` or ``name``, ``kind`` (its shape), ``township``, ``pupils`` (its size).
    villages : GeoDataFrame, optional
        Likewise, with ``village_id``.
    outline, townships, rivers, roads : GeoDataFrame, optional
        Ground under the schools; ``townships`` are named by their column ``township`` or ``name``.
    lang : {"zh", "en"}
    height : int
        Height in pixels.
    title : str
        What a picture is headed and named by.
    synthetic : bool
        Whether the map says that its figures are made up.
    words : mapping of str to str, optional
        Words in place of those of ``lang``, by the keys of ``static/words.json``.
    colours : mapping of str to str, optional
        Colours in place of ``looks.COLOURS``, by its keys.
    statuses : sequence of MapClass, optional
        Classes of schools that ``set_classes`` takes without a legend; met, not met, no data, not applicable by
        default.

    Attributes
    ----------
    clicked : dict
        ``{"kind": "school" | "village", "id": ..., "n": ...}`` of the last click; ``n`` counts clicks.
    selected : str
        Id of the highlighted school; a click on a school sets it.
    selected_village : str
        Id of the highlighted village; a click on a village sets it, a click on a school clears it.
    shown : list of str
        Layers that are drawn: townships, rivers, roads, villages, labels.
    symbol_scale : float
        Size of the schools' symbols; below 1 where the villages are what the map is about.

    Examples
    --------
    >>> chart = SchematicMap(schools, villages, outline)  # doctest: +SKIP
    >>> chart.set_classes({"S1": "met", "S2": "not_met"}, {"S1": 4.9, "S2": 4.1}, label="图书")  # doctest: +SKIP
    >>> chart.observe(lambda change: print(change.new["id"]), "clicked")  # doctest: +SKIP
    """

    # The scripts in one module: the page gets it over its own socket and asks for no file.
    _esm = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("picture.js", "map.js"))
    _css = style(COLOURS)

    _geometry = traitlets.Bytes(b"").tag(sync=True)
    _index = traitlets.Dict().tag(sync=True)
    _text = traitlets.Dict().tag(sync=True)
    _kinds = traitlets.Bytes(b"").tag(sync=True)
    _pupils = traitlets.Bytes(b"").tag(sync=True)
    _dots = traitlets.Bytes(b"").tag(sync=True)
    _classes = traitlets.Bytes(b"").tag(sync=True)
    _values = traitlets.Bytes(b"").tag(sync=True)
    _circles = traitlets.Bytes(b"").tag(sync=True)
    _village_classes = traitlets.Bytes(b"").tag(sync=True)
    _village_values = traitlets.Bytes(b"").tag(sync=True)
    _areas = traitlets.Bytes(b"").tag(sync=True)
    _area_parts = traitlets.List().tag(sync=True)
    _links = traitlets.Bytes(b"").tag(sync=True)
    _link_classes = traitlets.Bytes(b"").tag(sync=True)
    _link_pupils = traitlets.Bytes(b"").tag(sync=True)
    link_legend = traitlets.List(traitlets.Dict()).tag(sync=True)
    link_label = traitlets.Unicode("").tag(sync=True)
    _village_notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    village_legend = traitlets.List(traitlets.Dict()).tag(sync=True)
    village_label = traitlets.Unicode("").tag(sync=True)
    village_unit = traitlets.Unicode("").tag(sync=True)
    area_label = traitlets.Unicode("").tag(sync=True)
    _notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    legend = traitlets.List(traitlets.Dict()).tag(sync=True)
    value_label = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    digits = traitlets.Int(2).tag(sync=True)
    has_values = traitlets.Bool(False).tag(sync=True)
    radius_km = traitlets.List(traitlets.Float()).tag(sync=True)
    shown = traitlets.List(traitlets.Unicode()).tag(sync=True)
    synthetic = traitlets.Bool(False).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    height = traitlets.Int(560).tag(sync=True)
    symbol_scale = traitlets.Float(1.0).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    selected_village = traitlets.Unicode("").tag(sync=True)
    clicked = traitlets.Dict().tag(sync=True)

    def __init__(  # noqa: PLR0913 (what people type)
        self,
        schools: Any,
        villages: Any = None,
        outline: Any = None,
        *,
        townships: Any = None,
        rivers: Any = None,
        roads: Any = None,
        lang: str = "zh",
        height: int = 560,
        title: str = "",
        synthetic: bool = False,
        words: Mapping[str, str] | None = None,
        colours: Mapping[str, str] | None = None,
        statuses: Sequence[MapClass] | None = None,
    ) -> None:
        places = of_frames(schools, villages, outline, townships=townships, rivers=rivers, roads=roads)
        kinds = {entry["key"]: n for n, entry in enumerate(places.index["kinds"])}
        given = schools["kind"] if "kind" in schools else schools.get("type", pd.Series("school", index=schools.index))
        codes = [kinds[str(kind)] for kind in given.fillna("")[placed(schools)]]
        self._open(
            places, lang, name=title, words=words, colours=colours, statuses=statuses, height=height, title=title,
            synthetic=synthetic, _kinds=np.array(codes, np.uint8).tobytes(), _pupils=_pupils(schools),
            _dots=_pupils(villages),
        )  # fmt: skip

    def _open(
        self, places: Geometry, lang: str, *, name: str, words: Mapping[str, str] | None = None,
        colours: Mapping[str, str] | None = None, statuses: Sequence[MapClass] | None = None, **state: Any,
    ) -> None:  # fmt: skip
        """Begin with what is where; ``state`` are traits, those of the schools' kinds and pupils among them."""
        self.lang, self.places, self.statuses = lang, places, list(statuses or status_classes(lang))
        self.colours = COLOURS | dict(colours or {})
        said = WORDS[lang] | dict(words or {})
        super().__init__(
            _geometry=places.content,
            _index=places.index,
            _text={key: word.replace("{name}", name) for key, word in said.items()},
            _css=style(self.colours),
            legend=[asdict(look) for look in self.statuses],
            shown=list(places.index["layers"]),
            **state,
        )
        self.set_classes({})

    def picture(self, width: int = picture.WIDTH) -> str:
        """Return the map as it stands as an SVG document, to be saved or put into a page.

        Parameters
        ----------
        width : int
            Pixels.
        """
        return picture.svg(self, width)

    def save(self, path: str | Path) -> Path:
        """Write the map as it stands as an SVG picture; return where.

        Parameters
        ----------
        path : str or Path
            A file; its name ends with ``.svg``.
        """
        out = Path(path)
        if out.suffix.lower() != ".svg":
            raise ValueError(f"a map is saved as .svg, not as {out.suffix or out.name}")
        out.write_text(self.picture(), encoding="utf-8")
        return out

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the live map where widgets live, and leave a picture for where they do not."""
        found = super()._repr_mimebundle_(**kwargs)
        data, facts = found if isinstance(found, tuple) else (found or {}, {})
        return {
            **data,
            "image/svg+xml": self.picture(),
            "text/plain": f"<{type(self).__name__}: {self.title or self._text['aria']}>",
        }, facts

    def set_schools(
        self, kinds_of: Mapping[str, str | None], pupils: Mapping[str, float] | pd.Series | None = None
    ) -> None:
        """Show a scenario's schools instead of the year's own: as what they would be, as large as they would be.

        Parameters
        ----------
        kinds_of : mapping of school_id to kind
            Schools to draw and their shapes; one that is not in it, or is None, is not drawn. A school that closes
            is better kept in it and told by its class, so that people see what goes.
        pupils : mapping of school_id to float, optional
            Pupils, which set the size of the symbols; as in the year by default.

        Raises
        ------
        ValueError
            If a kind is not one of the table's.
        """
        at = {entry["key"]: position for position, entry in enumerate(self.places.index["kinds"])}
        if unknown := {kind for kind in kinds_of.values() if kind is not None} - set(at):
            raise ValueError(f"unknown kinds of school: {sorted(unknown)}; known: {list(at)}")
        named = _by_id(kinds_of, self.places.schools)
        codes = [at.get(named.get(i) or "", HIDDEN) for i in self.places.schools]
        with self.hold_sync():
            self._kinds = np.array(codes, np.uint8).tobytes()
            if pupils is not None:
                sizes = _by_id(pupils, self.places.schools)
                self._pupils = np.array([sizes.get(i, np.nan) for i in self.places.schools], np.float32).tobytes()

    def set_classes(
        self,
        classes: Mapping[str, str] | pd.Series,
        values: Mapping[str, float] | pd.Series | None = None,
        *,
        notes: Mapping[str, str] | None = None,
        legend: Sequence[MapClass] | None = None,
        label: str = "",
        unit: str = "",
        digits: int = 2,
    ) -> None:
        """Colour the schools.

        Parameters
        ----------
        classes : mapping of school_id to class key
            A school that is not in it takes the last class of the legend.
        values : mapping of school_id to float, optional
            Figures for the tooltips; missing or NaN is told as "no data".
        notes : mapping of school_id to str, optional
            A further line of the tooltip.
        legend : sequence of MapClass, optional
            The classes; by default statuses: met, not met, no data, not applicable.
        label, unit : str
            What the values are; the label heads the legend.
        digits : int
            Decimals shown.

        Raises
        ------
        ValueError
            If a class is not in the legend, or none of the ids is on the map.
        """
        looks = list(legend) if legend is not None else self.statuses
        at = {look.key: position for position, look in enumerate(looks)}
        order = self.places.schools
        given = _by_id(classes, order)
        if unknown := {str(key) for key in given.values()} - set(at):
            raise ValueError(f"classes not in the legend: {sorted(unknown)}; known: {list(at)}")
        figures, remarks = _by_id({} if values is None else values, order), _by_id(notes or {})
        with self.hold_sync():
            self.legend = [asdict(look) for look in looks]
            self._classes = np.array([at.get(given.get(i, ""), len(looks) - 1) for i in order], np.uint8).tobytes()
            self._values = np.array([figures.get(i, np.nan) for i in order], np.float32).tobytes()
            self._notes = [str(remarks.get(i, "")) for i in order] if remarks else []
            self.value_label, self.unit, self.digits = label, unit, digits
            self.has_values = values is not None

    def set_radius(self, km: float | Sequence[float] | None, schools: Sequence[str] | None = None) -> None:
        """Draw circles of a walking radius around schools.

        Parameters
        ----------
        km : float, sequence of float, or None
            Radius or radii in kilometres; None takes the circles away.
        schools : sequence of school_id, optional
            Around which schools; all open ones by default.
        """
        radii = [] if km is None else [float(km)] if isinstance(km, (int, float)) else [float(k) for k in km]
        chosen = None if schools is None else {str(school) for school in schools}
        with self.hold_sync():
            self._circles = (
                b"" if chosen is None else np.array([i in chosen for i in self.places.schools], np.uint8).tobytes()
            )
            self.radius_km = radii

    def set_villages(
        self,
        classes: npt.ArrayLike,
        *,
        legend: Sequence[VillageClass] | None = None,
        values: npt.ArrayLike | None = None,
        notes: Mapping[str, str] | None = None,
        label: str = "",
        unit: str = "",
    ) -> None:
        """Colour the villages; while a slider moves only the classes travel, one byte a village.

        Parameters
        ----------
        classes : array of int, shape (villages,)
            Positions in the legend, in the order of ``places.villages``.
        legend : sequence of VillageClass, optional
            What the classes mean; as before by default. With it values, notes and label are taken over too.
        values : array of float, optional
            Figures for the tooltips; NaN is told as "no data".
        notes : mapping of village_id to str, optional
            A further line of the tooltip.
        label, unit : str
            What the values are; the label heads the legend.

        Raises
        ------
        ValueError
            If there is not one class of the legend for each village.
        """
        codes = np.asarray(classes, dtype=np.uint8)
        looks = self.village_legend if legend is None else [asdict(look) for look in legend]
        if len(codes) != len(self.places.villages) or (len(codes) and int(codes.max()) >= len(looks)):
            raise ValueError(f"{len(codes)} classes of {len(looks)} do not fit {len(self.places.villages)} villages")
        with self.hold_sync():
            self._village_classes = codes.tobytes()
            if legend is not None:
                self.village_legend = looks
                self.village_label, self.village_unit = label, unit
                self._village_values = b"" if values is None else np.asarray(values, np.float32).tobytes()
                told = _by_id(notes or {})
                self._village_notes = [str(told.get(i, "")) for i in self.places.villages] if told else []

    def set_areas(self, areas: Mapping[str, Any], label: str = "") -> None:
        """Draw areas, such as catchments: dashed lines; the selected school's own is filled.

        Parameters
        ----------
        areas : mapping of school_id to shapely geometry
            Polygons in degrees; empty takes them away.
        label : str
            What the legend says.
        """
        import shapely  # only pages with areas pay for it

        parts: list[Any] = []
        points: list[Any] = []
        start = 0
        for name, shape in areas.items():
            rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(shapely.get_parts(shape))]
            at = np.cumsum([start, *map(len, rings)]).tolist()
            parts.append([name, [[first, len(ring)] for first, ring in zip(at, rings, strict=False)]])
            points += rings
            start = at[-1]
        lonlat = np.concatenate(points) if points else np.empty((0, 2))
        xy = project(lonlat, tuple(self.places.index["middle"]))
        with self.hold_sync():
            self._areas, self._area_parts, self.area_label = xy.astype(np.float32).tobytes(), parts, label

    def set_links(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        pupils: Sequence[float] | npt.NDArray[Any] | None = None,
        classes: Sequence[str] | None = None,
        legend: Sequence[LinkClass] | None = None,
        label: str = "",
    ) -> None:
        """Draw lines from villages to schools; places without coordinates are left out.

        Parameters
        ----------
        pairs : sequence of (village_id, school_id)
            A school_id may stand in the place of the village: pupils moved from school to school.
        pupils : sequence of float, optional
            Pupils on each link; the line's width grows with their square root. Thin lines without.
        classes : sequence of str, optional
            The class key of each link, such as "fine" or "breaks"; the first class of the legend by default.
        legend : sequence of LinkClass, optional
            The classes; without it the lines are plain and the legend is silent about them.
        label : str
            What the links are; it heads their part of the legend.

        Raises
        ------
        ValueError
            If pupils or classes are not one for each pair, or a class is not in the legend.
        """
        looks = list(legend or ())
        at = {look.key: position for position, look in enumerate(looks)}
        keys = list(classes) if classes is not None else [looks[0].key if looks else ""] * len(pairs)
        load = np.full(len(pairs), np.nan) if pupils is None else np.asarray(pupils, float)
        if len(keys) != len(pairs) or len(load) != len(pairs):
            raise ValueError(f"{len(pairs)} links, {len(keys)} classes, {len(load)} numbers of pupils")
        if classes is not None and (unknown := set(keys) - set(at)):
            raise ValueError(f"classes not in the legend: {sorted(unknown)}; known: {list(at)}")
        school = {name: position for position, name in enumerate(self.places.schools)}
        # Schools stand after the villages in the browser's numbering of places that links start from.
        start = {name: len(self.places.villages) + position for name, position in school.items()}
        start |= {name: position for position, name in enumerate(self.places.villages)}
        ends = [(str(village), str(to)) for village, to in pairs]
        found = [(n, start[v], school[s]) for n, (v, s) in enumerate(ends) if v in start and s in school]
        chosen = [n for n, _, _ in found]
        with self.hold_sync():
            self._links = np.array([pair for _, *pair in found], np.uint32).tobytes()
            self._link_classes = np.array([at.get(keys[n], 0) for n in chosen], np.uint8).tobytes()
            self._link_pupils = b"" if pupils is None else load[chosen].astype(np.float32).tobytes()
            self.link_legend, self.link_label = [asdict(look) for look in looks], label


def _by_id(given: Mapping[Any, Any] | pd.Series, known: Sequence[str] = ()) -> dict[str, Any]:
    """Return what is said of places by their ids as the map writes them; refused where it is of no place there.

    Notes may be: of a county's schools perhaps one has a place, and the notes are of the others.
    """
    out = {str(name): value for name, value in dict(given).items()}
    if out and known and not out.keys() & set(known):
        raise ValueError(f"none of these ids is on the map: {list(out)[:5]}; it has {list(known[:5])} …")
    return out


def _pupils(frame: Any) -> bytes:
    """Return the pupils of a frame's places, NaN where nobody says how many."""
    if frame is None:
        return b""
    values = frame["pupils"].to_numpy(float) if "pupils" in frame else np.full(len(frame), np.nan)
    return values[placed(frame)].astype(np.float32).tobytes()
