"""Subjects as far as threads need them: what is left without the prefixes of answers and forwards.

After the "base subject" of RFC 5256 §2.1, with the prefixes that clients write in other languages.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256

#: What clients put before the subject of an answer: in English, German, the languages of Scandinavia, Dutch, French,
#: Italian, Spanish, Portuguese, Polish, Czech, Hungarian, Finnish, Turkish, Greek, Russian, Hebrew, Chinese, Japanese.
_ANSWERS = "re aw antw antwort sv vs ref rép réf rif r res odp odpověď vá ynt απ σχετ ha на отв השב 回复 回覆 答复 返信"

#: And of a forward.
_FORWARDS = "fw fwd wg vb vl vs tr i rv enc enc pd fs továbbítás ilt İlt πρθ пер הועבר 转发 轉寄 転送"

_WORDS = "|".join(sorted((re.escape(word) for word in {*_ANSWERS.split(), *_FORWARDS.split()}), key=len, reverse=True))

# `Re:`, `RE :`, `Re[2]:`, `Re(3):`, `Re^2:`, `Re: [list]`; the colon may be the wide one of East Asia.
_PREFIX = re.compile(rf"(?:{_WORDS})\s*(?:[\[(]\d{{1,3}}[\])]|\^\d{{1,3}}|\d{{1,3}})?\s*[:：]\s*", re.IGNORECASE)

#: A mailing list's mark, such as `[announce]`.
_MARK = re.compile(r"\[[^\[\]]{1,60}\]\s*")
_FORWARDED = re.compile(r"\s*\(fwd\)$", re.IGNORECASE)

#: Longer subjects are told apart by what they begin with.
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """`key` is a digest, equal for subjects that differ in prefixes, marks, case and spaces; None where nothing else
    is in the subject. `answers` says whether a prefix was there."""

    key: str | None
    answers: bool


def subject_key(subject: str | None) -> SubjectKey:
    """What a subject says about the conversation."""
    text = (subject or "")[:_LONGEST]
    text = " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).split())
    answers = False
    while stripped := _without_first(text):
        answers = answers or stripped.answers
        text = stripped.rest
    base = text.casefold().encode(errors="replace")
    return SubjectKey(sha256(base).hexdigest()[:32] if base else None, answers)


@dataclass(frozen=True, slots=True)
class _Stripped:
    rest: str
    answers: bool


def _without_first(text: str) -> _Stripped | None:
    """`text` without its first prefix, mark, or trailing `(fwd)`; None where it has none.

    A mark that is all there is stays: it is the subject.
    """
    if prefix := _PREFIX.match(text):
        return _Stripped(text[prefix.end() :], answers=True)
    if text.endswith(")") and (forwarded := _FORWARDED.search(text)):
        return _Stripped(text[: forwarded.start()], answers=True)
    mark = _MARK.match(text)
    if mark and mark.end() < len(text):
        return _Stripped(text[mark.end() :], answers=False)
    return None
