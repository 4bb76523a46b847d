import pytest

from reports.outputs.markdown import bullets, code_block, document, escaped, paragraph, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1,043 steps/s, 98.8 % (+12 %)", "1,043\u00a0steps/s, 98.8\u00a0% (+12\u00a0%)"),
        ("<b>&lt;</b>", "&#60;b&#62;&#38;lt;&#60;/b&#62;"),
        ("[a](javascript:b) ![c]", r"\[a\](javascript:b) \!\[c\]"),
        ("`a` *b* _c_ ~d~ |e| \\", r"\`a\` \*b\* \_c\_ \~d\~ \|e\| \\"),
        ("$x$ #1 @you", "&#36;x&#36; &#35;1 &#64;you"),
        ("https://a www.b", r"https\://a www\.b"),
        ("a\n\n# b\x1b\u202e", "a &#35; b"),
    ],
)
def test_text_stays_text(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("- a", "&#45; a"), ("1. a", "&#49;. a"), ("+1", "&#43;1"), ("98.8 of 99", "98.8 of 99")],
)
def test_a_line_begins_no_list_but_its_own(text: str, shown: str) -> None:
    assert paragraph(text) == shown
    assert bullets([text]) == f"- {shown}"


def test_a_block_of_code_ends_where_it_should_whatever_it_holds() -> None:
    assert code_block("a\n````\nb").splitlines() == ["`````text", "a", "````", "b", "`````"]
    assert code_block("a") == "```text\na\n```"


def test_a_document_has_a_blank_line_between_its_parts() -> None:
    assert document(["## a", "", table(["x", "y"], [["1", "2"]])]) == (
        "## a\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n"
    )
