"""What all pages share: foreign text made showable, values in words."""

from reports.page import parts


def test_templates_escape_foreign_text_and_make_it_showable() -> None:
    template = parts.environment().from_string("{{ text }}")
    assert template.render(text="<b>\u202e 5 ms") == "&lt;b&gt;\ufffd 5\u00a0ms"


def test_a_figure_is_drawn_for_a_desktop_and_for_a_phone() -> None:
    drawing = parts.drawn(lambda width: f"<svg>{width:.0f}</svg>")
    assert (str(drawing.wide), str(drawing.narrow)) == ("<svg>900</svg>", "<svg>334</svg>")


def test_what_is_known_of_a_machine_is_told_in_words() -> None:
    assert parts.machine_facts({"memory_bytes": 312_000_000, "cpu_model": None}) == [
        ("memory", "312\u00a0MB"),
        ("cpu model", "unknown"),
    ]
