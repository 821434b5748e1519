"""Make the first tables: scenarios, ledger, task records, evidence, and the trail of changes nobody can rewrite."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TABLES = ("scenarios", "ledger", "task_records", "evidence", "changes")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "scenarios",
        sa.Column("scenario_id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("author", sa.String(60), nullable=False),
        sa.Column("yaml", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("removed_at", sa.DateTime),
        *_stamp(),
    )
    op.create_table(
        "ledger",
        sa.Column("entry_id", sa.String(16), primary_key=True),
        sa.Column("school_id", sa.String(200), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("year", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Float) for name in ("value", "required", "gap", "needed")),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("person", sa.String(60), nullable=False),
        sa.Column("lead_unit", sa.String(200), nullable=False),
        sa.Column("due", sa.Date),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("closed_at", sa.DateTime),
        sa.Column("closed_by", sa.String(16), nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("evidence", sa.Integer, nullable=False),
        *_stamp(),
        sa.UniqueConstraint("county_id", "standard_id", "school_id", "code", "stage", name="one_per_problem"),
    )
    op.create_table(
        "task_records",
        sa.Column("record_id", sa.String(16), primary_key=True),
        sa.Column("task", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", sa.Date),
        sa.Column("done_on", sa.Date),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        *_stamp(),
        sa.UniqueConstraint("county_id", "standard_id", "task", name="one_per_task"),
    )
    op.create_table(
        "evidence",
        sa.Column("evidence_id", sa.String(16), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("entry_id", sa.String(16), nullable=False),
        sa.Column("task", sa.String(80), nullable=False),
        sa.Column("who", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *_stamp(),
    )
    op.create_table(
        "changes",
        sa.Column("change_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(16), nullable=False),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        *_stamp(),
        sa.UniqueConstraint("subject", "subject_id", "version", "field", name="one_change_per_version"),
    )
    for table in ("scenarios", "ledger", "task_records", "evidence"):
        op.create_index(f"ix_{table}_county_id", table, ["county_id"])
    op.create_index("ix_evidence_sha256", "evidence", ["sha256"])
    op.create_index("ix_evidence_entry_id", "evidence", ["entry_id"])
    op.create_index("changes_of_county", "changes", ["county_id", "standard_id"])
    _seal()


def downgrade() -> None:
    """Drop the tables."""
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_rewriting()")


def _stamp() -> list[sa.Column[object]]:
    texts = (("county_id", 80), ("standard_id", 200), ("county_hash", 64), ("standard_version", 64), ("software", 80))
    columns: list[sa.Column[object]] = [sa.Column(name, sa.String(n), nullable=False) for name, n in texts]
    return [*columns, sa.Column("version", sa.Integer, nullable=False)]


def _seal() -> None:
    """Let the database refuse to change or delete a row of the trail."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_rewriting() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'the trail of changes is never rewritten'; END $$ LANGUAGE plpgsql"
        )
        op.execute(
            "CREATE TRIGGER changes_sealed BEFORE UPDATE OR DELETE ON changes "
            "FOR EACH ROW EXECUTE FUNCTION refuse_rewriting()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER changes_sealed_{act.lower()} BEFORE {act} ON changes "
            "BEGIN SELECT RAISE(ABORT, 'the trail of changes is never rewritten'); END"
        )
