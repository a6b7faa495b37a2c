"""What a customer agrees to before being recognised: one text, in both languages, shown alike by hub and kiosk.

A consent names the version and the SHA-256 of the very text that was shown; a text is never changed under
its version: write a new version beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from branchloop.errors import InputError
from branchloop.text.catalogue import Language

VERSION = "2026-11"
"""The text that is shown now."""
PURPOSE = "checkin"
"""The one purpose: to open one's own appointment at the branch's kiosk."""
RETENTION_DAYS = 90
"""Unless the bank sets another one in hub.toml (`people.consent_days`)."""
GUARDIAN_AGE = 14
"""Below this age a parent or guardian consents."""
PHOTOS = 3
"""At least so many pictures make a template."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the text: a heading and what it says."""

    key: str
    heading: str
    says: str


@dataclass(frozen=True, slots=True)
class ConsentText:
    """A text as shown: `sha256` is over version, language and every word of it."""

    version: str
    language: Language
    days: int
    title: str
    points: tuple[Point, ...]
    agree: str
    guardian: str

    @property
    def sha256(self) -> str:
        """Digest of the text, 64 hexadecimal digits."""
        lines = [self.version, self.language, self.title]
        lines += [part for point in self.points for part in (point.heading, point.says)]
        return hashlib.sha256("\n".join([*lines, self.agree, self.guardian]).encode()).hexdigest()


_Pair = tuple[str, str]
"""English, 中文."""


@dataclass(frozen=True, slots=True)
class _Version:
    title: _Pair
    points: tuple[tuple[str, _Pair, _Pair], ...]
    agree: _Pair
    guardian: _Pair


_VERSIONS: Mapping[str, _Version] = {
    "2026-11": _Version(
        title=("Consent to be recognised at check-in", "刷脸签到单独同意书"),
        points=(
            (
                "purpose",
                ("What for", "处理目的"),
                (
                    "To check you in for your own appointments at this branch when you ask the kiosk to recognise "
                    "you. For nothing else: no marketing, no tracking, no identification of people passing by.",
                    "仅用于您主动在本网点自助签到机上要求刷脸时，核验您本人的预约并完成签到。不用于营销、追踪或识别路过人员。",
                ),
            ),
            (
                "what",
                ("What is processed", "处理内容与方式"),
                (
                    "At least three photos of your face. Your browser encrypts them so that only this branch's "
                    "check-in box can open them; the box computes a face template from them and deletes the "
                    "photos at once. The template is kept encrypted on that box alone.",
                    "至少三张面部照片。照片在您的浏览器中加密，仅本网点签到设备可以解密；设备据此生成人脸特征模板后立即删除照片。"
                    "模板加密保存，且仅保存在该设备上。",
                ),
            ),
            (
                "retention",
                ("How long", "保存期限"),
                (
                    "{days} days, or until you withdraw, whichever is earlier. Then the key of the template is "
                    "deleted, and nobody can read it any more.",
                    "{days} 天，或至您撤回同意为止，以较早者为准。到期即删除模板密钥，任何人无法再读取。",
                ),
            ),
            (
                "withdrawal",
                ("How to withdraw", "撤回方式"),
                (
                    "At any time and without giving a reason: by the link you receive now, or at the counter. "
                    "You then get a receipt of the deletion.",
                    "您可随时撤回，无需说明理由：使用现在提供的链接，或在柜台办理。完成删除后您将收到删除凭证。",
                ),
            ),
            (
                "alternative",
                ("If you do not want this", "如不同意"),
                (
                    "Show your booking code or ask our staff: you are served in the same order and as quickly. "
                    "Your appointment does not depend on this consent.",
                    "您可出示预约码或请工作人员协助，办理顺序与速度完全相同。是否同意不影响您的预约。",
                ),
            ),
            (
                "impact",
                ("What it may mean for you", "对您的影响"),
                (
                    "A face cannot be changed like a password. That is why the photos are not kept, the template "
                    "is of no use at another branch, and a match opens an appointment and nothing else.",
                    "人脸无法像密码一样更换。因此我们不保留照片，模板在其他网点无法使用，匹配结果仅能打开预约，不作他用。",
                ),
            ),
        ),
        agree=(
            "I have read this and consent to my face being processed for check-in, as described.",
            "我已阅读并单独同意按上述说明处理我的人脸信息用于签到。",
        ),
        guardian=(
            "I am the parent or guardian of this customer, who is under 14, and consent on their behalf.",
            "我是该未满十四周岁客户的父母或其他监护人，并代为同意。",
        ),
    )
}


def consent_text(language: Language, days: int = RETENTION_DAYS, version: str = VERSION) -> ConsentText:
    """The text of a version, with the bank's days of retention. Raises InputError for an unknown version."""
    found = _VERSIONS.get(version)
    if found is None:
        raise InputError(
            f"there is no consent text of version {version[:40]!r}.",
            hint=f"The versions are {', '.join(_VERSIONS)}.",
        )
    which = 1 if language == "zh" else 0
    points = tuple(
        Point(key, heading[which], says[which].replace("{days}", str(days)))
        for key, heading, says in found.points
    )
    return ConsentText(
        version, language, days, found.title[which], points, found.agree[which], found.guardian[which]
    )
