"""One self-contained HTML page from an answer, with its figures, tables and frame beside it."""

from randstudy.report.page import page
from randstudy.report.publication import publish

__all__ = ["page", "publish"]
