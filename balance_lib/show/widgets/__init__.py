"""Show results in notebooks and Voila: models without ipywidgets, views and apps over them."""
