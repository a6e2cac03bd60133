"""Tracking URIs as a study may write them. Free of MLflow, so that a study is refused in time."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

WEB: Final = ("http", "https")
DATABASES: Final = ("sqlite", "postgresql", "mysql", "mssql")


def misplaced(uri: str) -> str | None:
    """Say why runs cannot be kept at a URI: it is relative, no place for them, or has a password.

    >>> misplaced("http://127.0.0.1:5000") is None
    True
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        return f"{redacted(uri)!r} is no URI: {error}"
    dialect = parts.scheme.split("+")[0]
    if dialect not in (*WEB, *DATABASES):
        return (
            f"{redacted(uri)!r} is not a place for runs; give http(s)://host:port, "
            "sqlite:////absolute/path.db or postgresql://host/database"
        )
    if parts.password is not None:
        return (
            f"{redacted(uri)!r} holds a password, and study files are shared; put it into the "
            "environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD for a server, "
            "PGPASSWORD for PostgreSQL"
        )
    if dialect == "sqlite" and not re.match(r"sqlite(\+\w+)?:////", uri):
        return (
            f"{uri!r} is relative to wherever it is read; give sqlite:////absolute/path.db, with "
            "four slashes"
        )
    return None


def redacted(uri: str) -> str:
    """Return a URI without its user and password."""
    return re.sub(r"//[^/@]*@", "//***@", uri)
