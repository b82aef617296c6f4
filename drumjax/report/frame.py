"""A page inside a notebook."""

import html


def frame(page: str, height: int) -> str:
    """The page in a frame of its own, `height` pixels high: its styles, scripts and names do not meet those of the
    notebook, nor those of other cells."""
    source = html.escape(page)
    return f'<iframe srcdoc="{source}" width="100%" height="{height}" style="border:0" title="drumjax"></iframe>'
