"""Site files edited with their comments kept."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, strategies as st

from branchloop.errors import ConfigError
from branchloop.share import share
from branchloop.site import editing, pieces
from branchloop.site.site import parse_site

TEMPLATE = share("configs/branch-template.toml").read_text(encoding="utf-8")
DEMO = share("configs/demo.toml").read_text(encoding="utf-8")


def differing(before: str, after: str) -> set[str]:
    """Lines that are in one text only."""
    return set(before.splitlines()) ^ set(after.splitlines())


def test_only_the_changed_value_changes() -> None:
    """One end of a line is moved: one line of text differs, every comment stays."""
    edited = editing.with_entry(TEMPLATE, "line", {"id": "door", "to": [7.5, 8.2]})
    assert differing(TEMPLATE, edited) == {"to = [7.0, 8.2]", "to = [7.5, 8.2]"}
    assert parse_site(edited).lines[0].to == (7.5, 8.2)


def test_a_calibration_keeps_its_remarks() -> None:
    """Points are changed row by row; the comments round them stay."""
    site = parse_site(TEMPLATE)
    points = [list(mark) for mark in site.cameras[0].calibration.points]
    points[1][3] = 8.1
    points.append([640.0, 500.0, 6.0, 5.5])
    edited = editing.with_calibration(TEMPLATE, "hall", {"points": points})
    assert differing(TEMPLATE, edited) == {
        "  [1080.0, 640.0, 10.0, 8.0],", "  [1080.0, 640.0, 10.0, 8.1],", "  [640.0, 500.0, 6.0, 5.5],"
    }  # fmt: skip
    assert "# change: x_px, y_px, x_m, y_m of marks on the floor" in edited
    assert [list(mark) for mark in parse_site(edited).cameras[0].calibration.points] == points


MARKED = """# the hall
[[camera]]
id = "hall"
[camera.calibration] # by Li
points = [ # x_px, y_px, x_m, y_m
  [210.0, 650.0, 2.0, 8.0],   # foot of pillar A
  [500.0, 600.0, 4.0, 7.0],   # tile corner at the ATM
  # the teller's side
  [1080.0, 640.0, 10.0, 8.0], # door frame, "left", [1]
  [890.0, 250.0, 9.5, 2.0], [380.0, 255.0, 2.5, 2.0] # tellers 3 and 1
  # no more could be seen
] # measured on 3 May
focal_px = 900.0
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mark_comes_and_goes_with_its_own_remark(end: str) -> None:
    """Removed, added between, dragged, and the last of a line: of the text nothing else changes."""
    marked = MARKED.replace("\n", end)
    points = tomllib.loads(MARKED)["camera"][0]["calibration"]["points"]

    def edited(wanted: list[list[float]]) -> str:
        text = editing.with_calibration(marked, "hall", {"points": wanted})
        assert tomllib.loads(text)["camera"][0]["calibration"] == {"points": wanted, "focal_px": 900.0}
        assert text.count(end) == text.count("\n")
        return text.replace(end, "\n")

    atm = "  [500.0, 600.0, 4.0, 7.0],   # tile corner at the ATM\n"
    door = '  [1080.0, 640.0, 10.0, 8.0], # door frame, "left", [1]\n'
    last = "  [890.0, 250.0, 9.5, 2.0], [380.0, 255.0, 2.5, 2.0] # tellers 3 and 1\n"
    new = [700.0, 500.0, 6.0, 5.0]
    line = "  [700.0, 500.0, 6.0, 5.0],\n"
    assert edited([points[0], *points[2:]]) == MARKED.replace(atm, "")
    assert edited([*points[:2], *points[3:]]) == MARKED.replace(door, "")
    assert edited([new, *points]) == MARKED.replace("  [210", line + "  [210")
    assert edited([*points[:2], new, *points[2:]]) == MARKED.replace(atm, atm + line)
    assert edited([*points, new]) == MARKED.replace("2.0] #", "2.0], #").replace(
        "and 1\n", "and 1\n" + line.replace(",\n", "\n")
    )
    assert edited(points[:4]) == MARKED.replace(", [380.0, 255.0, 2.5, 2.0] # tellers 3 and 1", "")
    assert edited([*points[:3], points[4]]) == MARKED.replace("[890.0, 250.0, 9.5, 2.0], ", "")
    assert edited(points[:3]) == MARKED.replace(last, "").replace("8.0], # door", "8.0] # door")
    dragged = [points[0], [510.0, 600.0, 4.0, 7.0], points[3], points[4]]
    assert edited(dragged) == MARKED.replace(door, "").replace("[500.0", "[510.0")


@st.composite
def _arrays(draw: st.DrawFn) -> tuple[str, dict[int, str]]:
    """The text of an array in some layout, and each number's remark beside it, if it has one."""
    numbers = draw(st.lists(st.integers(0, 99), unique=True, max_size=6))
    text = "[" + draw(st.sampled_from(["", " ", "\n  ", " # head\n  "]))
    beside: dict[int, str] = {}
    for at, number in enumerate(numbers):
        last = at == len(numbers) - 1
        text += f"[{number}, '#,']" + draw(st.sampled_from(["", " "]))
        text += "," if not last or draw(st.booleans()) else ""
        if draw(st.booleans()):
            beside[number] = f"# of {number}."
            text += " " + beside[number] + "\n" + draw(st.sampled_from(["", "\t", "  # apart\n  "]))
        else:
            text += draw(st.sampled_from(["", " ", "\n  ", "\n\n", "\n # apart\n"]))
    return text + "]", beside


@given(_arrays(), st.data())
def test_every_row_that_stays_keeps_its_remark(
    array: tuple[str, dict[int, str]], data: st.DataObject
) -> None:
    """Whatever the layout: rows are removed and added anywhere, and the text says what was asked."""
    text, beside = array
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = f'[[zone]]\nid = "z"\nrows = {text} # below\nkind = "other"\n'.replace("\n", end)
    old = tomllib.loads(text)["zone"][0]["rows"]
    new = [row for row in old if data.draw(st.booleans())]
    for number in data.draw(st.lists(st.integers(100, 199), unique=True, max_size=4)):
        new.insert(data.draw(st.integers(0, len(new))), [number, "new"])
    edited = editing.with_entry(text, "zone", {"id": "z", "rows": new})
    assert tomllib.loads(edited) == {"zone": [{"id": "z", "rows": new, "kind": "other"}]}
    assert edited.count("# apart") == text.count("# apart")
    assert edited.count("# head") == text.count("# head")
    assert edited.count("# below") == 1
    assert edited.count(end) == edited.count("\n")
    lines = edited.splitlines()
    for number, remark in beside.items():
        if [number, "#,"] in new:
            (line,) = (line for line in lines if remark in line)
            assert line.index(f"[{number}, ") < line.index(remark)
    if new == old:
        assert edited == text


FRESH = """id = "b"
[[camera]]
id = "hall"
source = "usb:0"   # the stream
# agreed on 3 May

# the door's camera
[[camera]]
id = "door"
source = "usb:1"
[[line]]
id = "door"
"""


def test_a_first_calibration_stands_right_below_its_camera() -> None:
    """In two steps, and of either camera: nothing but its own lines is added, above the remarks of what comes next."""
    lens = editing.with_calibration(FRESH, "hall", {"picture_px": [640, 480], "focal_px": 500.0})
    hall = "\n[camera.calibration]\npicture_px = [640, 480]\nfocal_px = 500.0\n"
    assert lens == FRESH.replace("3 May\n", f"3 May\n{hall}")
    marked = editing.with_calibration(lens, "hall", {"points": [[1, 2, 3, 4]]})
    assert marked == FRESH.replace("3 May\n", f"3 May\n{hall}points = [[1, 2, 3, 4]]\n")
    door = editing.with_calibration(FRESH, "door", {"points": [[1, 2, 3, 4]]})
    assert door == FRESH.replace('"usb:1"\n', '"usb:1"\n\n[camera.calibration]\npoints = [[1, 2, 3, 4]]\n')


@pytest.mark.parametrize(
    "text",
    [
        'camera = [{ id = "a" }]',
        '[[camera]]\nid = "a"\ncalibration = {}',
        '[[camera]]\nid = "a"\ncalibration.points = []\n[plan]\n',
        '[[camera]]\nid = "b"\n[[camera]]\nid = "a"',
        '[[camera]]\nid = "a"\n[plan]\n[camera.calibration]\n# here\n[[camera]]\nid = "b"\n',
        '[[camera]]\r\nid = "a"\r\n\r\n[plan]\r\n',
    ],
)
def test_a_calibration_is_written_in_whatever_form_a_camera_has(text: str) -> None:
    edited = tomllib.loads(editing.with_calibration(text, "a", {"points": [[1, 2, 3, 4]]}))
    found = {camera["id"]: camera.get("calibration") for camera in edited["camera"]}
    assert found.pop("a") == {"points": [[1, 2, 3, 4]]}
    assert found in ({}, {"b": None})


def test_entries_come_and_go() -> None:
    """A new zone is there, a removed one is not, the others are as they were."""
    made = editing.with_entry(
        DEMO, "zone", {"id": "new", "kind": "other", "polygon": [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0]]}
    )
    assert [zone.id for zone in parse_site(made).zones] == [*(z.id for z in parse_site(DEMO).zones), "new"]
    assert parse_site(editing.without_entry(made, "zone", "new")) == parse_site(DEMO)
    only = editing.without_entry(TEMPLATE, "line", "door")
    assert parse_site(only).lines == []
    assert editing.without_entry(only, "line", "door") == only
    assert (
        parse_site(
            editing.with_entry(
                only, "line", {"id": "d", "from": [1.0, 1.0], "to": [3.0, 1.0], "inside": [2.0, 2.0]}
            )
        )
        .lines[0]
        .id
        == "d"
    )


@pytest.mark.parametrize("text", [TEMPLATE, DEMO])
def test_nothing_of_the_box_is_published(text: str) -> None:
    """No credential, address or folder leaves; what the branch's own file says of its box comes back."""
    published = editing.publishable(text)
    for word in ("credential_file", "broker", "data_dir", "root_public", "[[kiosk]]", "[box"):
        assert word not in "\n".join(line for line in published.splitlines() if not line.startswith("#"))
    assert parse_site(published).box is None
    assert parse_site(editing.joined(published, text)) == parse_site(text)


def test_a_remark_above_the_box_is_not_published() -> None:
    """What stands right above its table is of the machine, too; what stands above others stays."""
    text = '# all\nid = "hall"\n\n# of the hall\n[plan]\nwidth_m = 4\n\n# login: hall\n# secret\n[box]\nid = "b"\n'
    published = editing.publishable(text + "\n# at the door\n[[ kiosk ]]\nid = 'k'\n")
    assert [line for line in published.splitlines() if line.startswith("#")] == ["# all", "# of the hall"]


@pytest.mark.parametrize("end", ["", "\n", " # the end", "\n# the end", "\r\n"])
def test_what_is_added_begins_a_line(end: str) -> None:
    """Whether the file ends with one or not, in an array or in a remark."""
    text = '[[zone]]\nid = "a"\n[[camera]]\nid = "c"\n[camera.calibration]\npoints = [[1, 2, 3, 4]]' + end
    for kind in ("zone", "camera"):
        edited = tomllib.loads(editing.with_entry(text, kind, {"id": "d"}))
        assert [entry["id"] for entry in edited[kind]][1:] == ["d"]
        assert edited["camera"][0]["calibration"] == {"points": [[1, 2, 3, 4]]}


def test_a_published_box_is_not_believed() -> None:
    """Whatever box a text from elsewhere names, the branch's own stands."""
    foreign = DEMO.replace('broker = "mqtt://127.0.0.1:1883"', 'broker = "mqtt://127.0.0.2:1883"')
    assert parse_site(editing.joined(foreign, DEMO)).box == parse_site(DEMO).box


@given(st.integers(1, 10_000))
def test_the_version_is_one_number(version: int) -> None:
    """Only the version's line changes, its comment stays."""
    edited = editing.with_version(TEMPLATE, version)
    assert parse_site(edited).version == version
    assert "# raise it with every change" in edited
    assert len(differing(TEMPLATE, edited)) in {0, 2}


def test_what_cannot_be_edited_is_told() -> None:
    """No TOML, an unknown camera, an inline list that lacks a comma."""
    with pytest.raises(ConfigError, match="not valid TOML"):
        editing.with_version("a = ", 2)
    with pytest.raises(ConfigError, match="no camera"):
        editing.with_calibration(TEMPLATE, "attic", {})
    with pytest.raises(ConfigError, match="Put a comma after that entry"):
        editing.with_entry('line = [\n  { id = "a" }\n  # the end\n]\n', "line", {"id": "x"})


REMARKS = """# first zone
[[zone]]
id = "a"
# within a
kind = "queue" # beside a's kind
polygon = [
  [1.0, 2.0], # a corner
  [2.0, 2.0], [2.0, 3.0],
]

# second zone: agreed on 3 May
[[zone]]
id = "b"
# below b

# the door
[[line]]
id = "l"
note = '''
[[zone]] # no table, and no remark
'''
"""


@pytest.mark.parametrize("text", [TEMPLATE, DEMO, REMARKS, REMARKS.rstrip()])
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    """Letter by letter; heads are found where tables begin and nowhere else."""
    tables = pieces.tables(text)
    assert "".join(pieces.joined(table.pieces) for table in tables) == text
    assert {table.path[0] for table in tables[1:]} <= set(tomllib.loads(text))
    assert [table.path for table in pieces.tables(REMARKS)] == [(), ("zone",), ("zone",), ("line",)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_stands_below_a_removed_table_stays(end: str) -> None:
    """A remark above the next table is no part of the removed one; all else is as it was, to the letter."""
    text = REMARKS.replace("\n", end)
    own = text[text.index("[[zone]]") : text.index("# second")]
    assert editing.without_entry(text, "zone", "a") == text.replace(own, end)
    own = f'[[zone]]{end}id = "b"{end}'
    assert editing.without_entry(text, "zone", "b") == text.replace(own, "")
    own = text[text.index("[[line]]") :]
    assert editing.without_entry(text, "line", "l") == text.replace(own, "")


def test_a_removed_table_takes_its_own_tables_along() -> None:
    """Wherever they stand; those of its neighbours stay."""
    text = (
        '[[camera]]\nid = "a"\n[camera.calibration]\npoints = []\n\n# of b\n[[camera]]\nid = "b"\n'
        '[[zone]]\nid = "z"\n# the marks of b\n[camera.calibration]\npoints = [[1, 2, 3, 4]]\n# the end\n'
    )
    without_a = editing.without_entry(text, "camera", "a")
    assert without_a == text[text.index("# of b") :]
    without_b = editing.without_entry(without_a, "camera", "b")
    assert without_b == '# of b\n[[zone]]\nid = "z"\n# the marks of b\n# the end\n'


def test_what_is_published_keeps_the_remarks_of_other_tables() -> None:
    """Those right above them, where a blank line parts them from the box: one below the box's keys may hold its login."""
    text = (
        'id = "hall"\n\n# of the box\n[box]\nid = "b"\n# old login: s3cret\n\n# [box.old]\n# login = "x"\n\n'
        '# Cameras, measured by Li\n# on 3 May\n[[camera]]\nid = "c"\n\n[["kiosk"]]\nid = "k"\n[kiosk.tls]\n# login\n'
        '[[line]]\nid = "l"\n'
    )
    assert editing.publishable(text) == (
        'id = "hall"\n\n# Cameras, measured by Li\n# on 3 May\n[[camera]]\nid = "c"\n\n[[line]]\nid = "l"\n'
    )
    inline = '# all\n\n# login\nbox = { id = "b" }\nkiosk.a = 1\n# the name\nname = "Hall"\n'
    assert editing.publishable(inline) == '# all\n\n# the name\nname = "Hall"\n'


INLINE = """zone = [
  { id = "a", kind = "other" }, # first
  # about b
  { id = "b", polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]] } # last
]
camera = [{ id = "c" }]
line = []
"""


def test_inline_lists_are_edited_in_place() -> None:
    """Entries are changed, added and removed, and marks of a camera are set; remarks stay."""
    moved = editing.with_entry(INLINE, "zone", {"id": "a", "kind": "queue", "min_stay_s": 2.0})
    assert tomllib.loads(moved)["zone"][0] == {"id": "a", "kind": "queue", "min_stay_s": 2.0}
    added = editing.with_entry(INLINE, "zone", {"id": "n", "name": None, "polygon": [[0.0, 0.0]]})
    assert [zone["id"] for zone in tomllib.loads(added)["zone"]] == ["a", "b", "n"]
    assert tomllib.loads(added)["zone"][2] == {"id": "n", "polygon": [[0.0, 0.0]]}
    removed = editing.without_entry(INLINE, "zone", "b")
    assert [zone["id"] for zone in tomllib.loads(removed)["zone"]] == ["a"]
    assert all("# about b" in text and "# first" in text for text in (moved, added, removed))
    marked = editing.with_calibration(INLINE, "c", {"points": [[1, 2, 3, 4]]})
    assert tomllib.loads(marked)["camera"] == [{"id": "c", "calibration": {"points": [[1, 2, 3, 4]]}}]
    first = editing.with_entry(INLINE, "line", {"id": "x"})
    assert tomllib.loads(first)["line"] == [{"id": "x"}]
    assert editing.without_entry(INLINE, "line", "x") == INLINE
