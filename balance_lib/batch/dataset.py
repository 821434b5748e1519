"""Write the results of many counties as one dataset of Parquet files, and read it back, through DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import balance_lib
from balance_lib._errors import DataError, Fault, NotFoundError
from balance_lib.batch.options import Options
from balance_lib.batch.schema import SPATIAL, TABLES, columns
from balance_lib.data import saving

ONE_FILE = ".parquet"
LABELS = "standard_items"


def write(out: Path, parts: Sequence[Path], options: Options) -> Path:
    """Put the parts together as a dataset, whole or not at all.

    Parameters
    ----------
    out : Path
        A folder: one Parquet file a table, ``counties`` and ``villages`` as GeoParquet 1.1 (WGS-84), and the labels of
        the items in ``standard_items``. Or a file ``*.parquet``: one GeoParquet row a county, the other tables in it
        as lists of rows.
    parts : sequence of Path
        The counties' parts, in the order their rows are to stand.
    options : Options
        Whose standards' labels go with the figures.
    """
    out = Path(out)
    with saving.building(out) as fresh, _connect() as duck:
        _tables(duck, fresh, parts)
        _labels(duck, fresh, options)
        if out.suffix == ONE_FILE:
            _one_file(duck, fresh, fresh / "one.parquet")
            (fresh / "one.parquet").replace(out)
        else:
            saving.put_in_place(fresh, out)
    return out


def _connect() -> Any:
    """Open DuckDB in memory, on one thread: a forking server must not find others, and writing takes no longer."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "2GB"})


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _tables(duck: Any, folder: Path, parts: Sequence[Path]) -> None:
    files = "[" + ",".join(_text(part) for part in parts) + "]"
    for table, kinds in TABLES.items():
        names = [name for name in kinds if name != "county"]
        shape = "STRUCT(" + ",".join(f'"{name}" {kinds[name]}[]' for name in names) + ")"
        source = (
            f"read_json({files}, format='newline_delimited', compression='gzip', maximum_object_size=32000000, "
            f"columns={{county: 'VARCHAR', {table}: {_text(shape)}}})"
        )
        cells = ",".join(f'unnest("{table}"."{name}") AS "{name}"' for name in names)
        rows = f"SELECT county, {cells} FROM {source}"
        if table in SPATIAL:  # asked for its ends before it is written: the parts need not be read twice for that
            duck.execute(f"CREATE TEMP TABLE {table} AS SELECT * EXCLUDE (wkb), unhex(wkb) AS geometry FROM ({rows})")
            rows = f"SELECT * FROM {table}"
        _copy(duck, rows, folder / f"{table}.parquet", table)


def _copy(duck: Any, query: str, path: Path, table: str) -> None:
    extra = f", KV_METADATA {{geo: {_text(json.dumps(_geo(duck, query, table)))}}}" if table in SPATIAL else ""
    duck.execute(f"COPY ({query}) TO {_text(path)} (FORMAT parquet, COMPRESSION zstd{extra})")


def _geo(duck: Any, query: str, table: str) -> dict[str, Any]:
    """Return the GeoParquet 1.1 metadata; no ``crs`` means longitude and latitude in WGS-84."""
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": list(SPATIAL[table])}
    ends = duck.execute(f"SELECT min(lon), min(lat), max(lon), max(lat) FROM ({query})").fetchone()
    if table == "villages" and None not in ends:  # a county's middle says nothing about how far it reaches
        column["bbox"] = list(ends)
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _labels(duck: Any, folder: Path, options: Options) -> None:
    rows = [
        (s.id, s.title_zh, s.title_en, i.code, i.label_zh, i.label_en, i.stage, i.operator, i.judged_unit, i.category)
        for s in options.load()
        for i in s.judged
    ]
    duck.execute(
        f"CREATE TEMP TABLE {LABELS} (standard VARCHAR, title_zh VARCHAR, title_en VARCHAR, code VARCHAR, "
        "label_zh VARCHAR, label_en VARCHAR, stage VARCHAR, operator VARCHAR, unit VARCHAR, category VARCHAR)"
    )
    duck.executemany(f"INSERT INTO {LABELS} VALUES ({','.join('?' * 10)})", rows)
    _copy(duck, f"SELECT * FROM {LABELS}", folder / f"{LABELS}.parquet", LABELS)


def _one_file(duck: Any, folder: Path, path: Path) -> None:
    """Nest every table in its county's row."""
    joins, cells = "", ""
    for table in (name for name in TABLES if name != "counties"):
        file = _text(folder / f"{table}.parquet")
        joins += f" LEFT JOIN (SELECT county, list(t) AS rows FROM {file} t GROUP BY county) {table} USING (county)"
        cells += f", {table}.rows AS {table}"
    query = f"SELECT c.*{cells} FROM {_text(folder / 'counties.parquet')} c{joins} ORDER BY county"
    labels = f"(SELECT list(l) FROM {_text(folder / f'{LABELS}.parquet')} l)"
    _copy(duck, f"SELECT *, {labels} AS {LABELS} FROM ({query})", path, "counties")


@dataclass(frozen=True)
class ProvinceDataset:
    """Hold a dataset of many counties, to be asked in SQL.

    Parameters
    ----------
    path : Path
        The folder or the file that :func:`write` wrote.

    Examples
    --------
    ``ProvinceDataset.open("province").sql("SELECT verdict, count(*) FROM verdicts GROUP BY verdict")``
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> ProvinceDataset:
        """Open a dataset.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        found = Path(path)
        if not (found.is_file() or (found / "counties.parquet").is_file()):
            raise NotFoundError("dataset", str(path))
        return cls(found)

    @property
    def tables(self) -> list[str]:
        """Return the names of the tables; somebody may have taken one away to hand on the rest."""
        every = (*TABLES, LABELS)
        return [name for name in every if self.path.is_file() or (self.path / f"{name}.parquet").is_file()]

    @cached_property
    def _duck(self) -> Any:
        """Open the tables; a file that is none of ours, or is cut off, is a fault."""
        duck = _connect()
        with self._told():
            self._view(duck)
            for table in set(self.tables) & set(TABLES):
                there = {name for name, *_ in duck.execute(f"DESCRIBE {table}").fetchall()}
                if lacking := {*TABLES[table]} - there - {"wkb"}:  # it is kept as ``geometry``
                    raise self._fault(f"{table}: {', '.join(sorted(lacking))}")
        return duck

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in words that the dataset cannot be read; a question that is none is the asker's own fault."""
        import duckdb

        try:
            yield
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
            if "_duck" in self.__dict__:
                raise
            raise self._fault() from error
        except duckdb.Error as error:
            raise self._fault() from error

    def _fault(self, lacking: str | None = None) -> DataError:
        return DataError([Fault("unreadable_dataset", self.path.name, None, lacking)])

    def _view(self, duck: Any) -> None:
        for table in self.tables:
            if self.path.is_dir():
                source = f"SELECT * FROM {_text(self.path / f'{table}.parquet')}"
            elif table == "counties":
                others = ", ".join(name for name in (*TABLES, LABELS) if name != "counties")
                source = f"SELECT * EXCLUDE ({others}) FROM {_text(self.path)}"
            elif table == LABELS:
                source = (
                    f"SELECT unnest({LABELS}, recursive := true) FROM (SELECT {LABELS} FROM {_text(self.path)} LIMIT 1)"
                )
            else:
                source = f"SELECT unnest({table}, recursive := true) FROM {_text(self.path)}"
            duck.execute(f"CREATE VIEW {table} AS {source}")

    def sql(self, query: str, *values: Any) -> pd.DataFrame:
        """Ask the dataset; its tables stand as views of their names, ``?`` takes the values in turn."""
        duck = self._duck
        with self._told():
            return duck.execute(query, list(values)).df()

    def table(self, name: str) -> pd.DataFrame:
        """Return a whole table.

        Raises
        ------
        NotFoundError
            If the dataset has no such table.
        """
        if name not in self.tables:
            raise NotFoundError("table", name, self.tables)
        return self.sql(f"SELECT * FROM {name}")

    @property
    def software(self) -> str:
        """Return the software that judged the counties."""
        found = self.sql("SELECT DISTINCT software FROM counties WHERE software IS NOT NULL ORDER BY 1")["software"]
        return "、".join(found) or f"balance_lib {balance_lib.__version__}"


__all__ = ["LABELS", "ONE_FILE", "ProvinceDataset", "columns", "write"]
