"""A figure as SVG inside an HTML page: small, self-contained, in the page's own text colour."""

from __future__ import annotations

import hashlib
import re
from io import StringIO
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from randstudy.plots.sheet import figure_of
from randstudy.plots.style import INK, PAPER, Looks, styled

SVG = "http://www.w3.org/2000/svg"
HREF = "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"#([A-Za-z][\w.-]*)\)?")
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
IN_PAGE = {
    INK: "currentColor",
    PAPER: "var(--paper, Canvas)",
    "'DejaVu Sans', sans-serif": "system-ui, 'DejaVu Sans', sans-serif",
}
"""What is drawn, and what a page has in its place."""


@styled
def svg(drawn: Figure | Axes, title: str | None = None) -> str:
    """Return a figure as an ``<svg>`` element for an HTML page.

    It is as wide as what it stands in, up to its own size. Text stays text; it and the axes take
    the page's colour (``currentColor``), and open markers its background (its property ``--paper``,
    else ``Canvas``), so that it can be read on light and dark pages. Ids are derived from the
    content: equal figures give equal text, and several share a page.

    Parameters
    ----------
    title : what a screen reader says; when None the title of the (first) axes.
    """
    figure = figure_of(drawn)
    out = StringIO()
    looks: Looks = {"facecolor": "none", "bbox_inches": "tight", "pad_inches": 0.04}
    figure.savefig(out, format="svg", metadata=NO_METADATA, **looks)
    text = out.getvalue()
    root = ElementTree.fromstring(text[text.index("<svg") :])
    told = title if title is not None else _title(figure)
    prefix = "r" + hashlib.blake2b(f"{told}\n{text}".encode(), digest_size=6).hexdigest()
    _tidy(root)
    _rename(root, prefix)
    _name(root, told, f"{prefix}-title")
    return _written(root)


def _title(figure: Figure) -> str:
    suptitle = figure.get_suptitle()
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    return suptitle or next((one for one in titles if one), "figure")


def _tidy(root: ElementTree.Element) -> None:
    """Drop what would reach the rest of the page, and digits that nobody can see."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("metadata", "}style")):
                parent.remove(child)
        for key in ("d", "x", "y"):
            if key in parent.attrib:
                short = NUMBER.sub(lambda found: f"{float(found[0]):.2f}", parent.attrib[key])
                parent.attrib[key] = " ".join(short.split())
        if parent.get("transform", "").startswith("rotate(-0 "):
            del parent.attrib["transform"]
        if HREF in parent.attrib:
            parent.attrib["href"] = parent.attrib.pop(HREF)
        _share_style(parent)


def _share_style(parent: ElementTree.Element) -> None:
    """Write the style of a group's markers once."""
    markers = [child for child in parent if child.tag == f"{{{SVG}}}use"]
    styles = {marker.get("style") for marker in markers}
    if len(markers) > 1 and len(styles) == 1 and "style" not in parent.attrib:
        parent.attrib["style"] = styles.pop() or ""
        for marker in markers:
            marker.attrib.pop("style", None)


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Keep the ids that something refers to, under names of this figure's own."""
    used: dict[str, str] = {}
    for element in root.iter():
        for key in ("href", "clip-path", "style"):
            value = element.attrib.get(key, "")
            if "#" not in value or (key == "style" and "url(" not in value):
                continue
            if key == "href" and not value.startswith("#"):
                continue
            for name in REFERENCE.findall(value):
                new = used.setdefault(name, f"{prefix}-{len(used)}")
                value = value.replace(f"#{name}", f"#{new}")
            element.attrib[key] = value
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.attrib["id"] = used[name]


def _name(root: ElementTree.Element, title: str, name: str) -> None:
    """Give the picture its size, role and name."""
    width = root.attrib.pop("width", "").removesuffix("pt")
    root.attrib.pop("height", None)
    limit = f"max-width: {float(width) * 4 / 3:.0f}px; " if width else ""
    root.attrib |= {
        "width": "100%",
        "role": "img",
        "aria-labelledby": name,
        "style": f"{limit}stroke-linejoin: round; stroke-linecap: butt",
    }
    element = ElementTree.Element(f"{{{SVG}}}title", {"id": name})
    element.text = title
    root.insert(0, element)


def _written(root: ElementTree.Element) -> str:
    """Return the XML with plain names, and the page's colour and font for text and axes."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        for key in ("text", "tail"):
            if not (getattr(element, key) or "").strip():
                setattr(element, key, None)
    root.attrib = {"xmlns": SVG} | root.attrib
    text = ElementTree.tostring(root, encoding="unicode")
    for drawn, here in IN_PAGE.items():
        text = text.replace(drawn, here)
    return text
