"""Words of documents and of the page that says whether one is genuine: (English, 中文)."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "document.title": ("Certificate of deposit", "存款证明"),
    "document.electronic": ("Electronic document", "电子凭证"),
    "document.intro": (
        "This is to certify that the customer named below holds the following deposit with this bank.",
        "兹证明下列客户在本行存有以下存款。",
    ),
    "document.name": ("Name", "户名"),
    "document.account": ("Account, last four digits", "账号后四位"),
    "document.currency": ("Currency", "币种"),
    "document.amount": ("Amount", "金额"),
    "document.as_of": ("As of", "截至日期"),
    "document.frozen": ("Held until", "冻结至"),
    "document.frozen.no": ("not held", "未冻结"),
    "document.purpose": ("For", "用途"),
    "document.branch": ("Branch", "网点"),
    "document.issued": ("Issued", "开具日期"),
    "document.number": ("Verification code", "验证码"),
    "document.verify": (
        "Scan the code, or open {url}, to see whether this document is still valid.",
        "扫描二维码或访问 {url}，可查询本凭证是否有效。",
    ),
    "document.signed": (
        "Signed electronically by {issuer}. Any change to this file breaks the signature.",
        "本凭证由{issuer}电子签名，任何改动都会使签名失效。",
    ),
    "document.simulated": ("SIMULATED DATA", "模拟数据"),
    "purpose.visa": ("Visa", "签证"),
    "purpose.study": ("Study abroad", "留学"),
    "purpose.residence": ("Residence", "居留"),
    "purpose.tender": ("Tender", "投标"),
    "purpose.other": ("Other", "其他"),
    "verify.title": ("Is this document genuine?", "凭证验证"),
    "verify.valid": ("This document is valid.", "本凭证有效。"),
    "verify.withdrawn": ("This document was withdrawn.", "本凭证已撤销。"),
    "verify.unknown": (
        "No document has this code, or it is no longer kept here.",
        "未找到该验证码对应的凭证，或其记录已不再保存。",
    ),
    "verify.compare": (
        "Compare these with the document in your hand. Its signature shows whether it was changed.",
        "请与您手中的凭证核对。凭证是否被改动，以其电子签名为准。",
    ),
    "verify.simulated": ("Simulated data: this document is a demonstration.", "模拟数据：本凭证仅作演示。"),
    "verify.busy": ("Too many questions at once. Wait a minute.", "查询过于频繁，请稍候再试。"),
}


def words(key: str, **values: str) -> tuple[str, str]:
    """The words of a key: English, Chinese."""
    en, zh = WORDS[key]
    return en.format(**values), zh.format(**values)
