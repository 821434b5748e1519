"""Which schools of a county to keep: the county's model, its plans, and each plan carried out as a scenario."""
