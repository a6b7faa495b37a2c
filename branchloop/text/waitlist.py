"""What a card and a pass say of the waitlist, and of an address to be reached by: (English, 中文). The hub sends those that hold."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "address.email": ("An e-mail address.", "邮箱地址。"),
    "address.any": (
        "E-mail, or a phone number with its country: +86 138 0013 8000.",
        "邮箱，或带国家代码的手机号：+86 138 0013 8000。",
    ),
    "waitlist.join": (
        "Keep the pass that you get: open it to see whether a place is held for you.",
        "请保存登记凭证，打开即可查看是否已为您保留名额。",
    ),
    "waitlist.join.email": (
        "With your e-mail address we write to you when a place is held for you. "
        "Without it, open the pass that you get to see whether one is.",
        "填写邮箱后，保留名额时会通知您；未填写则请打开登记凭证查看。",
    ),
    "waitlist.join.any": (
        "With your e-mail address or phone number we tell you when a place is held for you. "
        "Without one, open the pass that you get to see whether one is.",
        "填写邮箱或手机号后，保留名额时会通知您；未填写则请打开登记凭证查看。",
    ),
    "waitlist.told": (
        "We tell you when a place is held for you; this pass says so, too.",
        "保留名额时会通知您，也可打开本凭证查看。",
    ),
    "waitlist.untold": (
        "Open this pass to see whether a place is held for you.",
        "请打开本凭证，查看是否已为您保留名额。",
    ),
    "waitlist.lapsed": (
        "The place was held for you until {until} and went to the next",
        "名额曾为您保留至 {until}，逾期未确认，已转给下一位",
    ),
    "waitlist.in_vain": ("No place came free", "未等到空位"),
}
