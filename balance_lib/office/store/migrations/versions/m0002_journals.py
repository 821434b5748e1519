"""Make the journals: pairings, visits, milestones, progress reports, works."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0002"
down_revision = "0001"

TABLES = ("pairings", "visits", "milestones", "progress_reports", "works")
PLACE = (("place_kind", 16), ("place", 200))


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "pairings",
        *_texts(("department", 120), *PLACE),
        sa.Column("interval_days", sa.Integer),
        sa.Column("since", sa.Date),
        *_long("note"),
        *_kept("one_pairing", "department", "place_kind", "place"),
    )
    op.create_table(
        "visits",
        *_texts(("department", 120), *PLACE, ("visitor", 120), ("entry_id", 16)),
        sa.Column("visited_on", sa.Date, nullable=False),
        *_long("found"),
        sa.Column("next_on", sa.Date),
        *_kept("one_visit", "department", "place_kind", "place", "visited_on"),
    )
    op.create_table(
        "milestones",
        *_texts(*PLACE, ("what", 120)),
        sa.Column("planned_on", sa.Date, nullable=False),
        sa.Column("done_on", sa.Date),
        sa.Column("weight", sa.Float),
        *_long("note"),
        *_kept("one_milestone", "place_kind", "place", "what"),
    )
    op.create_table(
        "progress_reports",
        *_texts(("reporter", 120)),
        sa.Column("reported_on", sa.Date, nullable=False),
        *_long("achieved", "trouble", "next_steps"),
        sa.Column("next_on", sa.Date),
        *_kept("one_report", "reporter", "reported_on"),
    )
    op.create_table(
        "works",
        *_texts(*PLACE, ("what", 120)),
        sa.Column("year", sa.Integer, nullable=False),
        sa.Column("area_m2", sa.Float),
        sa.Column("investment_yuan", sa.Float),
        sa.Column("planned_on", sa.Date),
        sa.Column("done_on", sa.Date),
        *_long("note"),
        *_kept("one_work", "place_kind", "place", "what"),
    )
    for table in TABLES:
        op.create_index(f"ix_{table}_county_id", table, ["county_id"])


def downgrade() -> None:
    """Drop the tables."""
    for table in TABLES:
        op.drop_table(table)


def _texts(*columns: tuple[str, int]) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(most), nullable=False) for name, most in columns]


def _long(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _kept(one: str, *key: str) -> list[SchemaItem]:
    stamp = (("county_id", 80), ("standard_id", 200), ("county_hash", 64), ("standard_version", 64), ("software", 80))
    return [
        sa.Column("row_id", sa.String(16), primary_key=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("removed_at", sa.DateTime),
        *_texts(*stamp),
        sa.Column("version", sa.Integer, nullable=False),
        sa.UniqueConstraint("county_id", "standard_id", *key, name=one),
    ]
