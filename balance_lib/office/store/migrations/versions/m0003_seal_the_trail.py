"""Seal the trail where the first seal had a gap: rows put in the place of others, and tables emptied at once."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Let the database refuse these ways round the seal too."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER changes_sealed_truncate BEFORE TRUNCATE ON changes "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
        )
        return
    # SQLite's INSERT OR REPLACE deletes the row that stands, and asks no DELETE trigger.
    op.execute(
        "CREATE TRIGGER changes_sealed_replace BEFORE INSERT ON changes WHEN EXISTS (SELECT 1 FROM changes WHERE "
        "change_id = NEW.change_id OR (subject = NEW.subject AND subject_id = NEW.subject_id "
        "AND version = NEW.version AND field = NEW.field)) "
        "BEGIN SELECT RAISE(ABORT, 'the trail of changes is never rewritten'); END"
    )


def downgrade() -> None:
    """Take the second seal off."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER changes_sealed_truncate ON changes")
    else:
        op.execute("DROP TRIGGER changes_sealed_replace")
