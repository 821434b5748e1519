"""Answer a page's one question for the state of all its widgets; until it asks, say nothing.

A kernel makes a page before the browser listens. ipywidgets announces each widget all the same, a third of the time the
page takes, and answers the question by asking every widget twice, with every measure of a layout that nobody laid down.
"""

from __future__ import annotations

from typing import Any

TARGET = "jupyter.widget.control"
# The one model whose defaults are the same here and in the browser, and a third of all; a slider's step is not, nor has
# a widget of our own any there.
ALIKE = "LayoutModel"


def answer_at_once(kernel: Any) -> None:
    """Keep a forked kernel's widgets silent until the browser opens the control channel; then answer and speak.

    That the browser makes widgets of its own, as ipywidgets would allow, is left out: no page of ours needs it.
    """
    from ipykernel.comm import comm

    channels: Any = comm.BaseComm
    speak = channels.publish_msg

    def silent(channel: Any, *_: Any, **__: Any) -> None:
        channel.kernel = kernel  # a widget asks its channel whether there is anybody to speak to later

    def opened(channel: Any, _: Any) -> None:
        channels.publish_msg = speak
        channel.on_msg(lambda _: channel.send(**states()))

    channels.publish_msg = silent
    kernel.comm_manager.register_target(TARGET, opened)


def states() -> dict[str, Any]:
    """Return the message that tells every widget's state, with its binary parts apart."""
    from ipywidgets.widgets import widget

    every = {found.model_id: _state(found) for found in list(widget._instances.values())}
    plain, paths, buffers = widget._remove_buffers(every)
    return {"data": {"method": "update_states", "states": plain, "buffer_paths": paths}, "buffers": buffers}


def _state(found: Any) -> dict[str, Any]:
    return {
        "model_name": found._model_name,
        "model_module": found._model_module,
        "model_module_version": found._model_module_version,
        "state": found.get_state(drop_defaults=found._model_name == ALIKE),
    }
