"""Words of reminders, and of notices that the waitlist holds a place: (English, 中文)."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "reminder.subject": ("Your appointment on {day} at {time}", "您预约的时间：{day} {time}"),
    "reminder.text": (
        "{greeting}this is a reminder of your appointment.\n\n{service}\n{day}, {time} ({zone})\n{where}\n",
        "{greeting}提醒您已预约以下业务：\n\n{service}\n{day} {time}（{zone}）\n{where}\n",
    ),
    "reminder.greeting": ("Dear {name}, ", "{name}，您好。"),
    "reminder.bring": ("\nPlease bring: {documents}\n", "\n请携带：{documents}\n"),
    "reminder.arrive": (
        "\nPlease check in between {first} and {last} with your code. If you cannot come, please cancel in your pass.\n",
        "\n请于 {first} 至 {last} 之间凭预约码签到。如不能前来，请在预约凭证中取消。\n",
    ),
    "offer.subject": (
        "A place is held for you until {until} on {until_day}",
        "已为您保留名额，请于 {until_day} {until} 前确认",
    ),
    "offer.text": (
        "{greeting}a place that you wait for has come free.\n\n{service}\n{day}, {time} ({zone})\n{where}\n",
        "{greeting}您候补的业务已有空位：\n\n{service}\n{day} {time}（{zone}）\n{where}\n",
    ),
    "offer.take": (
        "\nIt is held for you until {until} on {until_day}. To take it, open your pass and confirm by then; "
        "after that it goes to the next.\n",
        "\n名额为您保留至 {until_day} {until}。请在此之前打开登记凭证确认，逾期将转给下一位。\n",
    ),
    "reminder.simulated": ("\n(simulated data)\n", "\n（模拟数据）\n"),
}
