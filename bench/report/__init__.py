"""The load bench's report: one HTML file that needs nothing else, made of a saved or fresh document of runs.

    python -m bench.report bench.json > bench.html

`page` is all that others call. Everything below is pure: a document goes in, text comes out. A document may lack
anything: what is not there is left out or said to be missing, and no figure is made up for it.
"""

from bench.report.compose import page

__all__ = ["page"]
