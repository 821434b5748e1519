"""Show results in notebooks and Voila: models without ipywidgets, views and apps over them."""

from balance_lib.extras import need

need("dashboards")  # before anything of it is imported
