"""What a customer agrees to before a partner's page and the bank know each other's name for them.

A consent names the version and the SHA-256 of the very text that was shown; a text is never changed under
its version: write a new version beside it. Each purpose of tags is agreed to apart, and none is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from branchloop.agreement.consent import Point
from branchloop.errors import InputError
from branchloop.site.parts import Text
from branchloop.text.catalogue import Language

VERSION = "2026-11"
"""The text that is shown now."""


@dataclass(frozen=True, slots=True)
class LinkText:
    """A text as shown: `sha256` is over version, language, and every word of it."""

    version: str
    language: Language
    title: str
    points: tuple[Point, ...]
    agree: str
    purposes: Mapping[str, str]
    """By purpose, the sentence that is agreed to apart."""

    @property
    def sha256(self) -> str:
        """Digest of the text, 64 hexadecimal digits."""
        lines = [self.version, self.language, self.title]
        lines += [part for point in self.points for part in (point.heading, point.says)]
        lines += [self.agree, *(f"{key}: {says}" for key, says in sorted(self.purposes.items()))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_Pair = tuple[str, str]
"""English, 中文."""


@dataclass(frozen=True, slots=True)
class _Version:
    title: _Pair
    points: tuple[tuple[str, _Pair, _Pair], ...]
    agree: _Pair
    purposes: Mapping[str, _Pair]


_VERSIONS: Mapping[str, _Version] = {
    "2026-11": _Version(
        title=("Link {partner} with this bank", "关联{partner}与本行"),
        points=(
            (
                "purpose",
                ("What for", "处理目的"),
                (
                    "So that {partner}, where you are signed in, and this bank know that an errand is yours: you need "
                    "not type your details again, and {partner} can show how your errand stands.",
                    "使您已登录的{partner}与本行能够识别同一事项属于您本人：您无需重复填写信息，{partner}可显示办理进度。",
                ),
            ),
            (
                "what",
                ("What is processed", "处理内容"),
                (
                    "A number by which {partner} calls you, kept here only as a fingerprint; {partner} gets a number "
                    "that only it has for you, and the steps of your errands that began there. No name, no telephone "
                    "number, no account, no picture.",
                    "{partner}对您的编号（本行仅保存其指纹值）；{partner}得到一个仅供其使用的编号，以及由其页面发起事项的办理步骤。"
                    "不含姓名、电话、账户或影像。",
                ),
            ),
            (
                "retention",
                ("How long", "保存期限"),
                (
                    "{days} days, or until you unlink, whichever is earlier.",
                    "{days} 天，或至您解除关联为止，以较早者为准。",
                ),
            ),
            (
                "withdrawal",
                ("How to unlink", "撤回方式"),
                (
                    "At any time and without giving a reason: on this page or on your pass. The link and the tags "
                    "that came by it are then deleted, and {partner} is told.",
                    "您可随时在本页面或您的预约凭证上解除，无需说明理由。解除后关联及由此产生的标签即被删除，并通知{partner}。",
                ),
            ),
            (
                "alternative",
                ("If you do not want this", "如不同意"),
                (
                    "Everything works the same without it: book, queue and be served as before.",
                    "不影响您预约、排队和办理任何业务。",
                ),
            ),
        ),
        agree=(
            "I have read this and agree that {partner} and this bank link my errands.",
            "我已阅读并同意{partner}与本行关联我的办理事项。",
        ),
        purposes={
            "suggest": (
                "Also: the bank may use tags from {partner} and from my visits to suggest services to me.",
                "另外同意：本行可使用来自{partner}及我到访结果的标签，向我推荐业务。",
            ),
            "share": (
                "Also: the bank may tell {partner} the tags it keeps of me for this purpose.",
                "另外同意：本行可将为此目的保存的我的标签告知{partner}。",
            ),
        },
    )
}


def link_text(language: Language, partner: Text, days: int, version: str = VERSION) -> LinkText:
    """The text of a version for one partner. Raises InputError for an unknown version."""
    found = _VERSIONS.get(version)
    if found is None:
        raise InputError(
            f"there is no text of version {version[:40]!r}.", hint=f"The versions are {', '.join(_VERSIONS)}."
        )
    name = partner.zh if language == "zh" else partner.en

    def said(pair: _Pair) -> str:
        return pair[1 if language == "zh" else 0].replace("{days}", str(days)).replace("{partner}", name)

    return LinkText(
        version,
        language,
        said(found.title),
        tuple(Point(key, said(heading), said(says)) for key, heading, says in found.points),
        said(found.agree),
        {purpose: said(says) for purpose, says in found.purposes.items()},
    )
