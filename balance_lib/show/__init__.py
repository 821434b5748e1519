"""Show results: figures (:mod:`plots`), maps and pages (:mod:`widgets`), and the server of the pages (:mod:`serve`)."""
