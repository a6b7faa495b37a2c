"""The page of a certificate and its signature: real PDF, real keys, read back by another library."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pypdfium2
import pytest
from click.testing import CliRunner
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

from branchloop.errors import ConfigError, InputError
from branchloop.site.parts import Text
from hub.api.state import now_ms
from hub.documents.certificate import Certificate, draw
from hub.documents.font import load_font
from hub.documents.signing import Signer, read_trusted, verify
from hub.main import cli

CODE = "7K2M-Q4XD-9T0A-BC3E"
FACTS = Certificate(
    issuer=Text(en="Example Bank", zh="示例银行"), branch=Text(en="Plaza branch", zh="广场网点"), name="欧阳镕喆",
    account_last_four="6608", currency="CNY", amount="52000.00", as_of=date(2026, 11, 27),
    frozen_until=date(2027, 2, 27), purpose="visa", issued=date(2026, 11, 28), code=CODE,
    verify_url=f"https://bank.example/verify/{CODE}", simulated=False,
)  # fmt: skip


def drawn(**changed: object) -> bytes:
    return draw(replace(FACTS, **changed), load_font())  # type: ignore[arg-type]


def words(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        assert len(document) == 1
        page = document[0].get_textpage()
        return str(page.get_text_range())
    finally:
        document.close()


def make_key(folder: Path, *more: str) -> Path:
    command = [
        sys.executable,
        "-m",
        "branchloop.keys.root",
        "document",
        str(folder),
        "--name",
        "Example Bank",
        *more,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def signer(folder: Path) -> Signer:
    return Signer((folder / "document.pem").read_bytes(), (folder / "document.crt").read_bytes())


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "own")


@pytest.fixture(scope="module")
def signed(keys: Path) -> bytes:
    return signer(keys).sign(drawn())


def test_the_page_says_the_facts_in_both_languages() -> None:
    text = words(drawn())
    for said in (
        "存款证明",
        "Certificate of deposit",
        "欧阳镕喆",
        "CNY 52,000.00",
        "2026-11-27",
        "2027-02-27",
        "**** 6608",
    ):
        assert said in text, said
    for said in ("示例银行", "Example Bank", "签证 Visa", "2026-11-28", CODE, "https://bank.example/verify"):
        assert said in text, said
    assert "模拟数据" not in text


def test_the_same_facts_are_the_same_bytes() -> None:
    assert drawn() == drawn()


def test_simulated_data_is_marked_across_the_page() -> None:
    text = words(drawn(simulated=True))
    assert "模拟数据" in text
    assert "SIMULATED DATA" in text


def test_a_deposit_that_is_not_held_says_so() -> None:
    assert "未冻结 not held" in words(drawn(frozen_until=None))


@pytest.mark.parametrize(
    "name", ["<b>O'Brien</b> & Söhne", "W" * 60, "%PDF-1.7 (endobj) \\n", "Bjørn Ångström-Müller", "囍" * 60]
)
def test_an_odd_name_is_printed_as_it_is(name: str) -> None:
    """Nothing is markup, nothing is cut off, nothing leaves the page."""
    pdf = drawn(name=name)
    assert name.replace(" ", "") in re.sub(r"\s", "", words(pdf))
    document = pypdfium2.PdfDocument(pdf)
    try:
        page = document[0]
        text = page.get_textpage()
        width, _ = page.get_size()
        rights = [text.get_charbox(at)[2] for at in range(text.count_chars())]
        assert max(rights) <= width - 20
    finally:
        document.close()


@pytest.mark.parametrize("name", ["محمد", "Łukasz", "Anna \U0001f600", "\u202eevil", "𠮷野"])
def test_a_letter_that_the_font_has_not_is_named_rather_than_left_out(name: str) -> None:
    with pytest.raises(InputError, match=r"U\+"):
        drawn(name=name)


def test_every_font_is_embedded() -> None:
    """A viewer without Chinese fonts shows the same page: no font is only named."""
    reader = PdfFileReader(io.BytesIO(drawn(simulated=True)))
    fonts = reader.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"]
    used = re.findall(rb"/(F[0-9+]+) [0-9.]+ Tf", reader.root["/Pages"]["/Kids"][0]["/Contents"].data)
    assert used
    for name in {f"/{each.decode()}" for each in used}:
        descriptor = fonts[name]["/FontDescriptor"]
        assert len(descriptor["/FontFile2"].data) > 1_000, name
    assert len(drawn(simulated=True)) < 200_000


def test_what_the_bank_signed_is_genuine(keys: Path, signed: bytes) -> None:
    told = verify(signed, read_trusted(keys / "document-root.crt"), now_ms())
    assert (told.genuine, told.signer) == (True, "Example Bank")
    assert told.signed is not None
    assert words(signed) == words(drawn())


def test_a_root_vouches_for_the_key(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "branchloop.keys.root", "root", str(tmp_path / "root")],
        check=True,
        capture_output=True,
    )
    folder = make_key(tmp_path / "document", "--root", str(tmp_path / "root" / "root.pem"))
    told = verify(signer(folder).sign(drawn()), read_trusted(folder / "document-root.crt"), now_ms())
    assert told.genuine
    assert (folder / "document.pem").stat().st_mode & 0o777 == 0o600


def test_the_same_name_with_another_key_is_not_trusted(tmp_path: Path, signed: bytes) -> None:
    other = make_key(tmp_path / "other")
    told = verify(signed, read_trusted(other / "document-root.crt"), now_ms())
    assert (told.unchanged, told.trusted, told.genuine) == (True, False, False)


def test_after_its_end_a_key_signs_nothing_that_is_trusted(keys: Path, signed: bytes) -> None:
    later_ms = now_ms() + 1_100 * 86_400_000
    assert not verify(signed, read_trusted(keys / "document-root.crt"), later_ms).trusted


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.8])
def test_one_altered_byte_is_found(keys: Path, signed: bytes, share: float) -> None:
    altered = bytearray(signed)
    altered[int(len(signed) * share)] ^= 1
    try:
        told = verify(bytes(altered), read_trusted(keys / "document-root.crt"), now_ms())
    except InputError:
        return
    assert not told.unchanged


def test_what_is_added_after_the_signature_is_found(keys: Path, signed: bytes) -> None:
    """The signed bytes are all there: only the revision after them changes what is seen."""
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT ET"))
    writer.mark_update(page.container_ref)
    held = io.BytesIO()
    writer.write(held)
    assert held.getvalue().startswith(signed)
    told = verify(held.getvalue(), read_trusted(keys / "document-root.crt"), now_ms())
    assert not told.genuine


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7\n", drawn(), drawn()[:5_000]])
def test_what_is_no_signed_pdf_is_said_in_a_sentence(keys: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        verify(content, read_trusted(keys / "document-root.crt"), now_ms())


def test_a_key_and_a_certificate_that_do_not_belong_together_sign_nothing(keys: Path, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    with pytest.raises(ConfigError, match="not that of the document key"):
        Signer((keys / "document.pem").read_bytes(), (other / "document.crt").read_bytes())


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "not.ttf").write_bytes(b"not a font")
    with pytest.raises(ConfigError, match="no font"):
        load_font(tmp_path / "not.ttf")


def test_the_command_line_says_who_signed_and_fails_for_a_changed_file(
    keys: Path, signed: bytes, tmp_path: Path
) -> None:
    (tmp_path / "good.pdf").write_bytes(signed)
    (tmp_path / "bad.pdf").write_bytes(signed.replace(b"/Title", b"/Titel", 1))
    trust = ["--trust", str(keys / "document-root.crt")]
    good = CliRunner().invoke(cli, ["verify-document", str(tmp_path / "good.pdf"), *trust])
    assert (good.exit_code, "Example Bank" in good.output) == (0, True)
    bad = CliRunner().invoke(cli, ["verify-document", str(tmp_path / "bad.pdf"), *trust, "--json"])
    assert bad.exit_code == 4
    assert '"unchanged": false' in bad.output
