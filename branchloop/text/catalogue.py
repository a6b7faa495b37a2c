"""Every word a page shows, in the languages of the house: one catalogue, zh and en side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from branchloop.clock import HOUR_MS
from branchloop.kpis import BY_KEY
from branchloop.text import acceptance, board, cards, consent, floor, journeys, kiosk, quality, service, setup

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
LANGUAGE_NAMES: Mapping[Language, str] = {"zh": "中文", "en": "English"}

_PAGES: Mapping[str, tuple[str, str]] = {
    "app": ("branchloop", "branchloop"),
    "page.live": ("Live", "实时"),
    "page.heat": ("Heatmap", "客流热力图"),
    "branch": ("Branch", "网点"),
    "language": ("Language", "语言"),
    "since_opening": ("today", "今日"),
    "in_out": ("In / out today", "今日进 / 出"),
    "heat.title": ("foot-traffic heatmap", "客流热力图"),
    "heat.last15": ("Heat of the last 15 minutes", "最近 15 分钟热力"),
    "heat.legend": ("person·seconds per m², averaged over 0.5 m", "人·秒 / 平方米（0.5 米平均）"),
    "heat.busiest": ("busiest spot", "最高点"),
    "heat.total": ("Time spent on the floor", "停留总时长"),
    "heat.sum": ("{value} person·seconds", "{value} 人·秒"),
    "heat.hours": ("Hours", "时段"),
    "heat.hour_least": ("One hour at least: {first}:00–{last}:00", "至少一小时：{first}:00–{last}:00"),
    "heat.day": ("Day", "日期"),
    "heat.nobody": ("Nobody was on the floor in this time.", "该时段内无人停留。"),
    "heat.no_data": (
        "No data for this time: the branch was not observed. Choose another time.",
        "该时段没有数据：网点未被观测。请选择其他时段。",
    ),
    "heat.closed": ("The branch was closed in this time.", "该时段内网点未营业。"),
    "heat.not_open_yet": (
        "The branch has not been open in this time so far.",
        "该时段网点尚未营业。",
    ),
    "heat.unobserved15": (
        "The branch was not observed in these 15 minutes.",
        "最近 15 分钟内网点未被观测。",
    ),
    "heat.footfall_days": ("Visitors by day", "分日客流"),
    "heat.widened": (
        "Single hours of this time are no longer kept: all figures are of the whole days.",
        "该时段已不再保留分时数据：以下数据均为整日数据。",
    ),
    "heat.footfall": ("Visitors by hour", "分时客流"),
    "gaps": ("Gaps", "数据缺口"),
    "gaps.none": ("No gaps in this time.", "该时段无数据缺口。"),
    "gaps.partly": ("Cameras were out for part of this time.", "该时段有摄像头曾中断。"),
    "gaps.camera": (
        "{name}: {time} not observed, between {start} and {end}",
        "{name}：{start} 至 {end} 间累计 {time}未观测",
    ),
    "gaps.early": ("Before {time} the branch was not observed yet.", "{time} 之前网点尚未启用观测。"),
    "gaps.item": ("{start} to {end}: not observed", "{start} 至 {end}：未观测"),
    "zones": ("Zones", "区域"),
    "zone": ("zone", "区域"),
    "zone.now": ("people now", "当前人数"),
    "zone.visits": ("visits", "到访次数"),
    "zone.median": ("median dwell", "停留中位数"),
    "zone.p90": ("dwell p90", "停留九成位"),
    "zone.share": ("share of time", "时长占比"),
    "lines": ("Doors and lines", "门与计数线"),
    "line": ("line", "计数线"),
    "in": ("in", "进"),
    "out": ("out", "出"),
    "devices": ("Cameras and sensors", "摄像头与传感器"),
    "camera": ("camera", "摄像头"),
    "sensor": ("sensor", "传感器"),
    "sensor.range": ("{value} m to the nearest", "最近 {value} 米"),
    "sensor.present": ("somebody is here", "有人"),
    "sensor.at_times": ("somebody for {value} of {whole} s", "{whole} 秒中有 {value} 秒有人"),
    "sensor.clear": ("clear", "无人"),
    "state.up": ("works", "正常"),
    "state.starting": ("starting", "启动中"),
    "state.stalled": ("stalled", "停滞"),
    "state.down": ("down", "中断"),
    "state.ended": ("over", "已结束"),
    "state.unknown": ("not heard of", "未上报"),
    "box.online": ("box online", "盒子在线"),
    "box.offline": ("box offline", "盒子离线"),
    "notices": ("Just now", "最新动态"),
    "notices.none": ("Nothing to report.", "暂无动态。"),
    "notice.crossing": ("{line}: one person {direction}", "{line}：{direction} 1 人"),
    "notice.camera": ("camera {subject}: {state}", "摄像头 {subject}：{state}"),
    "notice.why": ("{state}: {why}", "{state}：{why}"),
    "notice.sensor": ("sensor {subject}: {state}", "传感器 {subject}：{state}"),
    "notice.clock_step": ("the box's clock was set", "盒子时钟被校正"),
    "notice.disk": ("the box's disk was full", "盒子磁盘已满"),
    "coverage": ("coverage", "数据覆盖率"),
    "coverage.value": ("coverage {value} %", "数据覆盖率 {value}%"),
    "gap": ("gap", "数据缺口"),
    "stale": ("not up to date", "数据未更新"),
    "as_of": ("as of {time}", "截至 {time}"),
    "not_measured": ("not measured", "未测得"),
    "closed": ("closed", "已闭店"),
    "simulated": ("simulated data", "模拟数据"),
    "unit.people": ("people", "人"),
    "unit.person_s": ("person·s", "人·秒"),
    "unit.s": ("s", "秒"),
    "unit.min": ("min", "分钟"),
    "unit.h": ("h", "小时"),
    "unit.days": ("days", "天"),
    "sign_in": ("Sign in", "登录"),
    "sign_in.token": ("Access token", "访问令牌"),
    "sign_in.hint": ("Ask your administrator for a token.", "请向管理员索取访问令牌。"),
    "sign_out": ("Sign out", "退出"),
    "error.unreachable": (
        "The hub does not answer. This page goes on by itself as soon as it does.",
        "中心暂无响应，恢复后本页会自动继续。",
    ),
    "error.distrusted": (
        "The hub's certificate is not believed ({why}): its authority belongs into the store of the dashboard's "
        "machine, which is then to be started anew.",
        "中心的证书不受信任（{why}）：请将其签发机构加入看板主机的证书库，然后重启看板。",
    ),
    "error.refused": (
        "Your role may not see or do this.",
        "您的角色无权查看或执行此操作。",
    ),
    "error.unknown_token": (
        "This token is not known, or no longer. Sign in again.",
        "令牌无效或已失效，请重新登录。",
    ),
    "error.shared_token": (
        "The hub does not know the token of these pages, or no longer. Ask your administrator to put a new one "
        "into token_file and to start the dashboard again.",
        "中心不认识本页面所用的令牌，或令牌已失效。请联系管理员更新 token_file 并重启看板。",
    ),
    "branch.not_yours": (
        "The link is for branch {asked}, which is not among those that your token may see; shown is {shown}.",
        "链接指向网点 {asked}，但不在您的令牌可查看的网点之列；当前显示的是 {shown}。",
    ),
    "branches.none": ("No branch is within this token's scope.", "该令牌范围内没有网点。"),
    "plan.alt": (
        "Floor plan of {branch} with heat: {value} person·seconds in total",
        "{branch} 平面图与热力：共 {value} 人·秒",
    ),
}

WORDS: Mapping[str, tuple[str, str]] = {
    **_PAGES,
    **consent.WORDS,
    **kiosk.WORDS,
    **board.WORDS,
    **cards.WORDS,
    **floor.WORDS,
    **journeys.WORDS,
    **service.WORDS,
    **acceptance.WORDS,
    **quality.WORDS,
    **setup.WORDS,
}


def say(key: str, language: Language, **values: object) -> str:
    """The words for `key`; `values` fill the braces. Raises KeyError for an unknown key."""
    english, chinese = WORDS[key]
    return (chinese if language == "zh" else english).format(**values)


def label(kpi: str, language: Language) -> str:
    """Name of a figure of the KPI table."""
    figure = BY_KEY[kpi]
    return figure.zh if language == "zh" else figure.en[0].upper() + figure.en[1:]


def duration(seconds: float | None, language: Language) -> str:
    """A duration as people say it: 40 s, 8 min, 约 8 分钟; an em dash when not measured."""
    if seconds is None:
        return "—"
    if seconds < 90:
        return f"{seconds:.0f} {say('unit.s', language)}"
    return f"{seconds / 60:.0f} {say('unit.min', language)}"


def lasting(ms: int, language: Language) -> str:
    """The same of what may be very long: in hours from two on, in days from two on."""
    hours = ms / HOUR_MS
    if hours < 2:
        return duration(ms / 1000, language)
    unit, shown = ("unit.h", hours) if hours < 48 else ("unit.days", hours / 24)
    return f"{shown:.0f} {say(unit, language)}"
