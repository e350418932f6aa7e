"""What is left of a subject without the prefixes of answers and forwards, and the identifiers that headers name."""

from __future__ import annotations

import pytest

from servants.email.subjects import subject_key
from servants.email.threads import MAX_HEADER_IDS, Member, group_by_headers, header_ids
from tests.support.mail_store import NOON, message

PLAN = subject_key("Plan for May").key


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Plan for May",
        "RE:Plan for May",
        "re :  plan   for MAY",
        "Re[2]: Plan for May",
        "Re(3): Plan for May",
        "Re^2: Plan for May",
        "Aw: Re: AW: Plan for May",
        "Antwort: Plan for May",
        "Sv: Plan for May",
        "VS: Plan for May",
        "Antw: Plan for May",
        "Réf : Plan for May",
        "R: Plan for May",
        "RES: Plan for May",
        "Odp: Plan for May",
        "Vá: Plan for May",
        "YNT: Plan for May",
        "Απ: Plan for May",
        "НА: Plan for May",
        "回复：Plan for May",
        "返信: Plan for May",
        "Fwd: Plan for May",
        "FW: Plan for May",
        "WG: Plan for May",
        "TR : Plan for May",
        "I: Plan for May",
        "PD: Plan for May",
        "转发: Plan for May",
        "[team] Re: [team] Plan for May",
        "Re: [team] Plan for May",
        "Plan for May (fwd)",
    ],
)
def test_prefixes_of_answers_and_forwards_are_left_out(subject: str) -> None:
    found = subject_key(subject)
    assert (found.key, found.answers) == (PLAN, True)


@pytest.mark.parametrize("subject", ["Plan for May", " plan  for may ", "[team] Plan for May", "Ｐｌａｎ for May"])
def test_a_subject_without_prefix_answers_nothing(subject: str) -> None:
    found = subject_key(subject)
    assert (found.key, found.answers) == (PLAN, False)


@pytest.mark.parametrize("subject", ["Report: Plan for May", "Plan for May 2", "Reply Plan for May", "Regarding: x"])
def test_words_that_only_look_like_prefixes_stay(subject: str) -> None:
    found = subject_key(subject)
    assert found.key != PLAN
    assert not found.answers


@pytest.mark.parametrize("subject", [None, "", "   ", "Re:", "Fwd: Re: "])
def test_a_subject_in_which_nothing_else_is_has_no_key(subject: str | None) -> None:
    assert subject_key(subject).key is None


def test_a_mark_that_is_the_whole_subject_is_the_subject() -> None:
    assert subject_key("[team]").key not in {None, subject_key("[other]").key}


@pytest.mark.timeout(5)
def test_a_subject_made_to_be_slow_is_not() -> None:
    assert subject_key("Re: " * 100_000).answers
    assert subject_key("[" * 100_000).key
    assert subject_key("Re" + " " * 100_000 + "x").key


def test_the_identifiers_are_the_messages_own_first_and_each_once() -> None:
    answer = message(
        "c", in_reply_to=" <b@host> ", references=["<a@host>", "<b@host>", "", "<>", "your note of Friday"]
    )
    assert header_ids(answer.parsed) == ("c@host", "b@host", "a@host")


def test_of_too_many_references_the_first_and_the_nearest_count() -> None:
    many = message("m", references=[f"<{n}@host>" for n in range(5000)])
    found = header_ids(many.parsed)
    assert found[:2] == ("m@host", "0@host")
    assert found[-1] == "4999@host"
    assert len(found) == 1 + MAX_HEADER_IDS


def test_an_identifier_too_long_for_an_index_is_kept_as_its_digest() -> None:
    one, other = (header_ids(message("m", message_id=f"<{'x' * 5000}{n}>").parsed) for n in (1, 2))
    assert one != other
    assert all(len(header_id) == len("sha256:") + 64 for header_id in one + other)


def test_messages_are_grouped_through_what_is_not_there_yet_and_through_known_threads() -> None:
    members = [Member(ids, NOON) for ids in (("a",), ("b", "x"), ("c", "x"), (), ("d", "k"), ("e", "q"))]
    groups = group_by_headers(members, {"k": 7, "q": 7, "c": 5})
    assert sorted((sorted(group.members), sorted(group.threads)) for group in groups) == [
        ([0], []),
        ([1, 2], [5]),
        ([3], []),
        ([4, 5], [7]),
    ]
