"""Say what each kind of school is: the stages it has, and which kinds a township's central school may be.

The facts stand in ``tables.yaml`` beside the choices of ``schools.kind``.
"""

from __future__ import annotations

from balance_lib.data.tables import table

_KIND = table("schools").columns["kind"]
# Of a special or vocational school the stages differ from school to school.
STAGES_OF: dict[str, tuple[str, ...]] = {kind: tuple(stages) for kind, stages in (_KIND.stages or {}).items()}
# Kinds with several stages: what all of them share may stand on a row of its own.
THROUGH = tuple(kind for kind, stages in STAGES_OF.items() if len(stages) > 1)
# Kinds with both compulsory stages.
NINE_GRADES = tuple(kind for kind, stages in STAGES_OF.items() if {"primary", "junior"} <= set(stages))
# Kinds a township's central primary school may be.
CENTRAL = tuple(_KIND.central or ())


def with_stage(stage: str) -> tuple[str, ...]:
    """Return the kinds that have a stage.

    Examples
    --------
    >>> with_stage("junior")
    ('junior', 'nine_year', 'twelve_year', 'complete_secondary')
    """
    return tuple(kind for kind, stages in STAGES_OF.items() if stage in stages)
