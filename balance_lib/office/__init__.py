"""Run the plan: tasks and ledger (:mod:`workplan`), the record (:mod:`store`), official papers (:mod:`reports`)."""
