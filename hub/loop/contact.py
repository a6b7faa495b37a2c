"""How somebody wants to be reached: a phone number of any country, or an address for mail. Pure."""

from __future__ import annotations

import re

from branchloop.errors import InputError

_MAIL = re.compile(
    r"^(?!.*=\?)[^\s@<>()\[\]\"',;:\\]{1,64}@[^\s@<>()\[\]\"',;:\\.]+(\.[^\s@<>()\[\]\"',;:\\.]+)+$"
)
"""Without what RFC 5322 reads as something else (specials, RFC 2047's `=?`): a header would name another address."""


def clean_phone(text: str, region: str | None = None) -> str:
    """A number in E.164. Raises InputError when it is none; without a country, `region` (ISO 3166) is meant."""
    import phonenumbers  # with the forms of all countries: a tenth of a process's start

    try:
        number = phonenumbers.parse(text.strip(), region)
    except phonenumbers.NumberParseException as error:
        raise InputError(
            "this phone number cannot be read.", hint="Write it with its country, such as +86 138 0013 8000."
        ) from error
    if not phonenumbers.is_valid_number(number):
        raise InputError("there is no such phone number.", hint="Check its digits and its country.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def clean_mail(text: str) -> str:
    """An address for mail. Raises InputError when it is none; whether it is read, only a mail can tell."""
    clean = text.strip()
    if not _MAIL.fullmatch(clean) or len(clean) > 254 or not clean.isprintable():
        raise InputError("this is not an address for mail.", hint="Write it as name@example.com.")
    return clean
