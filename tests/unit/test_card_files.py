"""The cards' files: small, pinned, in both languages, with nothing that a strict policy would refuse."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from hubworld import World, world

from branchloop.text.cards import WORDS
from hub.api.card.files import PARTS, SOURCES, _plain, files, scripts, words_in
from hub.cli.embed import embed

MOST_BYTES = 10 * 1024


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub"), book=True) as running:
        yield running


@pytest.mark.parametrize("name", PARTS)
def test_a_card_with_its_words_is_small(name: str) -> None:
    assert len(gzip.compress(scripts()[name], 9)) <= MOST_BYTES


@pytest.mark.parametrize("name", PARTS)
def test_what_is_served_is_what_the_digest_says(hub: World, name: str) -> None:
    """Zipped or not, and again by its tag; every page may load it, none is told anything."""
    told = httpx.get(f"{hub.api}/cards/v1/integrity.json").json()[f"{name}.js"]
    for coding in ("gzip", "identity"):
        answer = httpx.get(f"{hub.api}/cards/v1/{name}.js", headers={"Accept-Encoding": coding})
        digest = base64.b64encode(hashlib.sha384(answer.content).digest()).decode()
        assert told["integrity"] == f"sha384-{digest}"
        assert answer.headers.get("content-encoding", "identity") == coding
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "set-cookie" not in answer.headers
    again = httpx.get(f"{hub.api}/cards/v1/{name}.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_a_pinned_address_is_kept_for_long(hub: World) -> None:
    pinned = files()["branch-pass.js"].pin
    ages = [
        httpx.get(f"{hub.api}/cards/v1/branch-pass.js{query}").headers["cache-control"]
        for query in (f"?v={pinned}", "?v=0123456789abcdef", "")
    ]
    assert "immutable" in ages[0]
    assert all("immutable" not in age for age in ages[1:])
    assert httpx.get(f"{hub.api}/cards/v1/branch-nothing.js").status_code == 404


@pytest.mark.parametrize("source", sorted(SOURCES.glob("*.js")), ids=lambda path: path.name)
def test_no_source_makes_markup_or_code_of_data(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "DOMParser",
    ):
        assert forbidden not in text
    assert not re.search(r"[\"'{ ]style:|cookie|localStorage|sessionStorage", text)


def test_every_word_that_is_named_is_there() -> None:
    """A key that no table knows would show as a fault to a customer."""
    for name, parts in PARTS.items():
        source = "\n".join(
            (SOURCES / f"{part}.js").read_text(encoding="utf-8")
            for part in parts
            if (SOURCES / f"{part}.js").is_file()
        )
        said = set(re.findall(r'\bt\("([^"]+)"', source)) | set(re.findall(r'question\("([^"]+)"', source))
        said |= set(re.findall(r'(?:button|say|link)\((?:[^"()]+, )?"([a-z]+\.[^"]+)"', source))
        assert said
        assert said <= words_in(source).keys(), name


def test_every_word_of_the_cards_is_used() -> None:
    used: set[str] = set()
    for parts in PARTS.values():
        used |= words_in(
            "\n".join(
                (SOURCES / f"{p}.js").read_text(encoding="utf-8")
                for p in parts
                if (SOURCES / f"{p}.js").is_file()
            )
        ).keys()
    assert WORDS.keys() - used <= {"card.title", "frame.refused", "frame.refused_why"}
    assert all("|" not in text for said in WORDS.values() for text in said)


def test_sources_lose_only_what_readers_need() -> None:
    """Comments and blanks go; strings, templates within templates and expressions stay."""
    source = 'const a = "x  =  // y";\n  // gone\nconst b = `p ${f(`q  ${1 + 2}`)}  r`;\nconst c = 8 / 2;\nconst d = /[/"] +/.test(a);\n'
    assert _plain(source) == (
        'const a="x  =  // y";const b=`p ${f(`q  ${1 + 2}`)}  r`;const c=8 / 2;const d=/[/"] +/.test(a);'
    )


def test_frames_and_the_page_of_a_pass_hold_no_script_and_no_style(hub: World) -> None:
    """And each file that they load is pinned."""
    for path, status in (("/pass", 200), ("/embed/branch-appointment?token=forged", 403)):
        answer = httpx.get(f"{hub.api}{path}", headers={"Accept-Language": "en"})
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert " style=" not in answer.text
        assert "<style" not in answer.text
        assert not re.search(r"<script(?![^>]*src=)[^>]*>|\son[a-z]+=", answer.text)
        loaded = re.findall(
            r'<(?:script|link)[^>]*?cards/v1/([a-z.-]+)\?v=([0-9a-f]+)" integrity="([^"]+)"', answer.text
        )
        assert loaded
        assert loaded == [(name, files()[name].pin, files()[name].integrity) for name, _, _ in loaded]
    assert answer.headers["content-security-policy"].endswith("frame-ancestors http: https:")
    assert "x-frame-options" not in answer.headers
    assert httpx.get(f"{hub.api}/pass").headers["x-frame-options"] == "DENY"
    assert httpx.get(f"{hub.api}/embed/branch-nothing").status_code == 404


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("branch-appointment?token=x&lang=fr&theme=pink", 422, "lang is “fr”; write zh or en"),
        ("branch-appointment?token=x&lang=", 422, "lang is “”; write zh or en"),
        ("branch-nothing?token=x", 404, "there is no card “branch-nothing”; write branch-pass or"),
        (f"%3Cb%3E{'x' * 100}?token=x&lang=en", 404, f"there is no card “&lt;b&gt;{'x' * 37}”; write"),
    ],
)
def test_a_frame_with_a_wrong_address_says_what_is_wrong(
    hub: World, address: str, status: int, told: str
) -> None:
    """In the frame, whosever it is: what a browser shows of a refused frame tells its owner nothing."""
    answer = httpx.get(f"{hub.api}/embed/{address}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].endswith("frame-ancestors http: https:")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers
    assert told in answer.text
    assert "此地址有误" in answer.text


def test_the_lines_for_a_page_name_the_file_that_is_served(hub: World) -> None:
    """What `branchloop hub embed` prints for a page holds the address and the digest of the card's file."""
    text = hub.config.path.read_text(encoding="utf-8")
    partner = (
        '[[partner]]\nid = "travel"\nname = { en = "T", zh = "旅" }\norigins = ["https://travel.example"]\n'
    )
    config = hub.config.path.with_name("embed.toml")
    config.write_text(f"{text}\n{partner}", encoding="utf-8")
    asked = [str(config), "travel", "--origin", "https://travel.example", "--site", "hall", "--json"]
    printed = CliRunner().invoke(embed, asked, catch_exceptions=False)
    lines = json.loads(printed.output.splitlines()[-1])["html"]
    file = files()["branch-appointment.js"]
    assert f'/cards/v1/branch-appointment.js?v={file.pin}" integrity="{file.integrity}"' in lines
