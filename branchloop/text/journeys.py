"""Words of the page on journeys and value."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "page.journeys": ("Journeys & value", "旅程与价值"),
    "journeys.days": ("Journeys that began in the last", "旅程开始于最近"),
    "journeys.days.value": ("{value} days", "{value} 天"),
    "journeys.weeks": (
        "Whole weeks by the branch's calendar: {start} to {end}.",
        "按网点日历的整周统计：{start} 至 {end}。",
    ),
    "journeys.weeks.open": (
        "Whole weeks by the branch's calendar: {start} to {end}, the last of which is not over yet.",
        "按网点日历的整周统计：{start} 至 {end}，最后一周尚未结束。",
    ),
    "journeys.by": ("Grouped by", "分组"),
    "journeys.by.channel": ("channel", "渠道"),
    "journeys.by.scene": ("scene", "场景"),
    "journeys.by.service": ("service", "业务"),
    "journeys.stage": ("Stage", "阶段"),
    "journeys.count": ("Journeys", "旅程数"),
    "journeys.conversion": ("Of the stage before", "上一阶段转化"),
    "journeys.median": ("Median time from it", "间隔中位数"),
    "journeys.small": ("withheld", "不予显示"),
    "journeys.none": ("No journey began in this time.", "该时段内没有开始的旅程。"),
    "journeys.no_show": ("No-show", "爽约率"),
    "journeys.no_show.none": ("nobody was due", "尚无到期预约"),
    "journeys.cancelled": ("Cancelled", "已取消"),
    "journeys.served": ("Served", "已办理"),
    "journeys.cost": ("Cost per served customer", "单位服务成本"),
    "journeys.cost.none": ("nobody was served, or no costs are entered", "无已办客户或未录入成本"),
    "journeys.group": ("Group", "分组"),
    "journeys.group.unknown": ("not known", "未知"),
    "journeys.channel.card": ("Online card", "线上卡片"),
    "journeys.channel.kiosk": ("Kiosk", "签到机"),
    "journeys.channel.staff": ("Staff", "员工代办"),
    "journeys.channel.walk_in": ("Walk-in", "现场取号"),
    "journeys.channel.phone": ("Phone", "电话"),
    "journeys.channel.partner": ("Partner", "合作方"),
    "journeys.stage.impression": ("Card was seen", "看到卡片"),
    "journeys.stage.start": ("Began to book", "开始预约"),
    "journeys.stage.booked": ("Booked", "预约成功"),
    "journeys.stage.reminded": ("Reminded", "已提醒"),
    "journeys.stage.arrived": ("Arrived", "到店"),
    "journeys.stage.checked_in": ("Checked in", "签到"),
    "journeys.stage.served": ("Served", "已办理"),
    "journeys.stage.outcome": ("Outcome told", "有办理结果"),
    "journeys.stage.follow_up": ("Follow-up done", "后续完成"),
    "journeys.stage.returned": ("Came back", "再次到店"),
}
