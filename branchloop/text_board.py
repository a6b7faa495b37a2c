"""Words of the day board: (English, 中文)."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "page.board": ("Day board", "当日看板"),
    "board.none": ("No appointments today.", "今日没有预约。"),
    "board.booked": ("Appointments", "预约"),
    "board.checked_in": ("Checked in", "已签到"),
    "board.waiting": ("Waiting", "排队人数"),
    "board.median": ("Median wait today", "今日等候中位数"),
    "board.methods": (
        "By code {code}, by face {face}, by staff {staff}",
        "预约码 {code}，刷脸 {face}，人工 {staff}",
    ),
    "board.of": ("of {value}", "共 {value}"),
    "board.wait": (
        "{service}: {waiting} waiting, expected wait {wait} ({basis})",
        "{service}：{waiting} 人等候，预计等候 {wait}（{basis}）",
    ),
    "board.basis.measured": ("service time measured", "办理时长为实测"),
    "board.basis.planned": ("service time as planned", "办理时长为计划值"),
    "board.wait.unknown": ("not known", "无法预计"),
    "board.time": ("Time", "时间"),
    "board.name": ("Name", "姓名"),
    "board.service": ("Service", "业务"),
    "board.ticket": ("Ticket", "排队号"),
    "board.state": ("State", "状态"),
    "board.waited": ("Waited", "已等候"),
    "board.action": ("Action", "操作"),
    "board.also": ("also {numbers}", "亦为 {numbers}"),
    "board.provisional": ("provisional", "暂定"),
    "board.next": ("no. {rank} in line", "第 {rank} 位"),
    "board.state.booked": ("booked", "已预约"),
    "board.state.missed": ("no-show", "爽约"),
    "board.state.arrived": ("waiting", "等候中"),
    "board.state.called": ("called", "已叫号"),
    "board.state.served": ("served", "已办理"),
    "board.state.cancelled": ("cancelled", "已取消"),
    "board.by.code": ("by code", "预约码"),
    "board.by.face": ("by face", "刷脸"),
    "board.by.staff": ("by staff", "人工"),
    "board.do.arrive": ("Check in", "签到"),
    "board.do.call": ("Call", "叫号"),
    "board.do.serve": ("Served", "办结"),
}
