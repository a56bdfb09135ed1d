"""The rules that take a harness's words off, and what they leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation import HARNESSES, Boilerplate, Rule, Stripped, rules_from
from pointsman.errors import InvalidConfig


def test_each_kind_of_rule_takes_off_what_it_says():
    kinds = {
        "block": ("a <x>gone</x> b", "a \n b"),
        "wrapper": ("gone <x>kept</x> gone", "kept"),
        "tags": ("a <x>kept</x>", "a \nkept"),
        "opening": ("x and all that follows", ""),
        "heading": ("x and all that follows", ""),
        "line": ("a\nx gone\nb\n x gone too", "a\nb"),
        "until": ("gone\nx gone\nkept", "kept"),
        "rest": ("kept\nx gone\ngone", "kept"),
    }
    results = {kind: Boilerplate([Rule("r", kind, ("x",))]).stripped(text) for kind, (text, _) in kinds.items()}
    assert results == {kind: Stripped(left, ("r",)) for kind, (_, left) in kinds.items()}


@pytest.mark.parametrize(
    "text",
    [
        "What does <system-reminder> mean?",
        "What does `<system-reminder>x</system-reminder>` mean?",
        "Compare a < b and b > c",
        "</system-reminder> alone",
        "<b>bold</b> and <table><tr></tr></table>",
        "<task>sum up</task><text>an article</text>",
        "Explain:\n# Rules:\nbe kind",
        "  spaces  ",
    ],
)
def test_what_a_person_may_have_written_stays_as_it_is(text):
    assert HARNESSES.stripped(text) == Stripped(text, ())


def test_a_heading_alone_takes_the_part_after_it_too():
    assert HARNESSES.stripped("[read_file for 'a.py'] Result:", "import os", "sum it up").text == "sum it up"
    assert HARNESSES.stripped("[read_file for 'a.py'] Result:\nimport os", "sum it up").text == "sum it up"


def test_tags_are_paired_and_wrappers_heard_across_the_parts_of_a_message():
    parts = [
        "<task>\nport it\n</task>",
        "<file_content>",
        "int x;",
        "</file_content>",
        "<environment_details>y</environment_details>",
    ]
    assert HARNESSES.stripped(*parts) == Stripped("port it", ("cline-request", "cline-environment"))


def test_parts_that_a_person_wrote_are_joined_in_order():
    assert HARNESSES.stripped("one", " ", "two\n") == Stripped("one\n\ntwo", ())


def test_a_block_in_a_block_and_a_block_in_a_wrapper_are_taken_off_whole():
    nested = "a<system-reminder>1<system-reminder>2</system-reminder>3</system-reminder>b"
    assert HARNESSES.stripped(nested).text == "a\nb"
    assert HARNESSES.stripped("x<user_query>a<git_status>g</git_status>b</user_query>").text == "a\nb"


def test_tags_are_told_apart_without_case_and_with_attributes():
    assert HARNESSES.stripped('<FILE path="a.py" lang="py">\ndata\n</File>sum it').text == "sum it"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "regex"}, "kind 'regex'; expected one of block, wrapper, tags, opening"),
        ({"names": ()}, "has no names"),
        ({"names": ("<x>",)}, "names the tag '<x>'.*without brackets"),
        ({"names": ("x y",)}, "names the tag 'x y'"),
        ({"kind": "line", "names": ("*",)}, "all blank or"),
        ({"kind": "opening", "names": ("y" * 201,)}, "1 to 200 characters"),
        ({"beside": ""}, "names the tag ''"),
    ],
)
def test_a_rule_that_would_match_nothing_or_everything_is_refused(fields, message):
    with pytest.raises(InvalidConfig, match=message):
        Rule(**{"name": "mine", "kind": "block", "names": ("x",), **fields})


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(InvalidConfig, match="Two conversation rules are named 'a'"):
        Boilerplate([Rule("a", "block", ("x",)), Rule("a", "block", ("y",))])


tags = st.sampled_from(
    ["<system-reminder>", "</system-reminder>", "<file>", "</file>", "<user_query>", "</user_query>"]
)
soup = st.lists(tags | st.text(alphabet="xyz \n<>", max_size=5), max_size=30).map("".join)


@given(soup)
def test_no_closed_block_is_left_and_nothing_is_invented(text):
    left = HARNESSES.stripped(text).text
    assert not any(rule.startswith("claude-code-reminders") for rule in HARNESSES.stripped(left).rules) or "`" in text
    assert sorted(set(left) - {"\n"}) == sorted((set(left) & set(text)) - {"\n"})
    assert len(left) <= len(text) + text.count("<")


@given(st.text(alphabet="ab \n", max_size=40), st.text(alphabet="ab \n", max_size=40))
def test_a_reminder_before_or_after_changes_nothing_but_white_space(written, reminder):
    block = f"<system-reminder>{reminder}</system-reminder>"
    assert HARNESSES.stripped(block + written).text.split() == written.split()
    assert HARNESSES.stripped(written + block).text.split() == written.split()


@pytest.mark.parametrize(
    "unit", ["<system-reminder>", "</file>", "<", "<file ", "\n[", "`<file>", "[a", "I have *added "]
)
def test_repeated_openings_are_read_in_time_that_grows_with_their_number(unit):
    """A square law would take minutes here."""
    assert isinstance(HARNESSES.stripped(unit * (1_000_000 // len(unit))), Stripped)


def test_rules_of_a_configuration_are_read_and_its_mistakes_named():
    rules = [{"name": "acme", "kind": "block", "names": ["acme-note"]}]
    assert rules_from(rules) == (Rule("acme", "block", ("acme-note",)),)
    for wrong, message in (
        ([{"name": "a", "kind": "re", "names": ["x"]}], r"Invalid enum value 're' - at `rules\[0\].kind`"),
        ([{"name": "a", "kind": "line", "names": []}], "The conversation rule 'a' has no names"),
        ([{"name": "a", "kind": "line", "names": ["x"], "besides": "y"}], "unknown field `besides`"),
        ({"a": 1}, "Expected a list of rules"),
    ):
        with pytest.raises(InvalidConfig, match=message):
            rules_from(wrong)
