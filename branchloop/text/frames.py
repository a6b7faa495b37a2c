"""What is said in a frame or a page that shows no card, in both languages: (English, 中文)."""

from __future__ import annotations

from collections.abc import Mapping

REFUSED = ("This card cannot be shown", "无法显示此卡片")
WHY: Mapping[str, tuple[str, str]] = {
    "token": (
        "The address of this frame holds no valid token of the bank: it is forged, damaged or expired. The page's owner gets a new one from the bank.",
        "此框架的地址中没有有效的银行令牌：可能被伪造、已损坏或已过期。请页面所有者向本行申请新令牌。",
    ),
    "value": (
        "This address is wrong: {key} is {said}; write {known}, or leave it out.",
        "此地址有误：{key} 的值为 {said}；请写 {known}，或省略该参数。",
    ),
    "card": (
        "This address is wrong: there is no card {said}; write {known}.",
        "此地址有误：没有名为 {said} 的卡片；请写 {known}。",
    ),
}
